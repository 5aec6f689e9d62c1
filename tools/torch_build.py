"""Which build of PyTorch belongs on this machine: without an NVIDIA GPU, the one without CUDA.

On Linux the default build of PyPI brings several gigabytes of CUDA libraries. The CPU build has
the same version with the local label `+cpu` and its own index. TORCH_BUILD=cpu or default decides
against the detection.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.console import RefusalError

CPU_INDEX = "https://download.pytorch.org/whl/cpu"


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """A requirement, where else to look for it, and why this one."""

    requirement: str
    extra_index: str | None
    reason: str

    def pip_arguments(self, installed: str | None) -> list[str]:
        """Arguments of `pip install`; another build of the same version must be forced out."""
        wanted = self.requirement.partition("==")[2]
        force = installed is not None and ("+cpu" in installed) != ("+cpu" in wanted)
        return [
            self.requirement,
            "--no-deps",  # they come with the rest, from the ordinary index
            *(["--extra-index-url", self.extra_index] if self.extra_index else []),
            *(["--force-reinstall"] if force else []),
        ]

    def constraint(self) -> str:
        """A line for pip's constraints that rules out every other build of this version.

        Otherwise pip, when it weighs alternatives, downloads the build with CUDA to look at it.
        """
        return self.requirement + "\n"


def choose_build(version: str, *, system: str, has_gpu: bool, override: str) -> TorchBuild:
    """The build of `version` for a machine; `system` is what `platform.system()` says."""
    if override not in ("", "cpu", "default"):
        raise RefusalError(f"TORCH_BUILD should be cpu or default, is {override!r}.")
    cpu = TorchBuild(f"torch=={version}+cpu", CPU_INDEX, "CPU build")
    default = TorchBuild(f"torch=={version}", None, "default build")
    if override:
        return cpu if override == "cpu" else default
    return default if has_gpu or system != "Linux" else cpu


def pinned_version(requirements: str) -> str:
    """The version of torch in the text of requirements.txt."""
    match = re.search(r"^torch==([\w.]+)", requirements, re.MULTILINE)
    if match is None:
        raise RefusalError("requirements.txt does not pin torch: add a line such as torch==2.13.0.")
    return match[1]


def has_nvidia_gpu(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether NVIDIA's driver is loaded and lists a GPU."""
    if Path("/proc/driver/nvidia/version").exists():
        return True
    tool = shutil.which("nvidia-smi", path=environment.get("PATH"))
    if tool is None:
        return False
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listed.returncode == 0 and b"GPU" in listed.stdout
