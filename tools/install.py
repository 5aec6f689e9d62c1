"""Creates `.venv` and installs the requirements; does nothing when that is done already.

    python3 -m tools.install [--dev]

Needs nothing but the standard library. What was installed is written into a stamp beside the
requirement files' hash, so an interrupted or outdated installation is carried on, and a complete
one costs a tenth of a second.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.console import RefusalError, run_program, say
from tools.pip_runs import compile_packages, pip_install
from tools.torch_build import TorchBuild, choose_build, has_nvidia_gpu, pinned_version

REPOSITORY = Path(__file__).resolve().parent.parent
FILES = ("requirements.txt", "constraints.txt", "requirements-dev.txt")
LOWEST, ABOVE = (3, 11), (3, 15)
FREE_GB_NEEDED = 6


def main(arguments: Sequence[str]) -> int:
    """Brings `.venv` up to date with the requirement files, the development ones with `--dev`."""
    dev = "--dev" in arguments
    refuse_unfit_python(sys.version_info[:2], platform.system())
    folder = REPOSITORY / ".venv"
    requirements = {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in FILES}
    build = choose_build(
        pinned_version(requirements["requirements.txt"]),
        system=platform.system(),
        has_gpu=has_nvidia_gpu(),
        override=os.environ.get("TORCH_BUILD", ""),
    )
    if is_installed(folder, wanted_stamp(requirements, build, version_of(folder), dev=dev)):
        return 0
    with _exclusive(REPOSITORY / ".venv.lock"):
        _refuse_small_disk(REPOSITORY)
        python = ensure_venv(folder)
        stamp = wanted_stamp(requirements, build, version_of(folder), dev=dev)
        if not is_installed(folder, stamp):
            install(folder, python, build, dev=dev)
            stamp_file(folder).write_text(json.dumps(stamp, indent=2) + "\n")
    return 0


def refuse_unfit_python(version: tuple[int, ...], system: str) -> None:
    """Raises RefusalError unless Airflow supports this Python and this system."""
    if system == "Windows":
        raise RefusalError("Airflow does not run on Windows itself: use WSL 2, and run make there.")
    if not LOWEST <= version < ABOVE:
        spelled = ".".join(map(str, version))
        raise RefusalError(
            f"Python 3.11 to 3.14 is needed, this is {spelled}: install one, or name it with "
            "`make demo PYTHON=/path/to/python3.12`."
        )


def wanted_stamp(
    requirements: dict[str, str], build: TorchBuild, python: str, *, dev: bool
) -> dict[str, object]:
    """What a complete installation looks like: hashes of the files, torch's build, Python."""
    digest = hashlib.sha256("\0".join(requirements[name] for name in FILES).encode()).hexdigest()
    return {"requirements": digest, "torch": build.requirement, "python": python, "dev": dev}


def is_installed(folder: Path, wanted: dict[str, object]) -> bool:
    """Whether the stamp in `.venv` says so; a development installation includes the other one."""
    try:
        found = json.loads(stamp_file(folder).read_text())
    except (OSError, ValueError):
        return False
    if not isinstance(found, dict) or not wanted["python"]:
        return False
    return found == wanted or found == wanted | {"dev": True}


def stamp_file(folder: Path) -> Path:
    """Where the stamp is."""
    return folder / "installed.json"


def version_of(folder: Path) -> str:
    """The Python version `.venv` was made with, as `3.11.7`; empty when there is none that works."""
    try:
        text = (folder / "pyvenv.cfg").read_text()
    except OSError:
        return ""
    match = re.search(r"^version(?:_info)? *= *(\d+\.\d+\.\d+)", text, re.MULTILINE)
    return match[1] if match and (folder / "bin" / "python").exists() else ""


def ensure_venv(folder: Path) -> Path:
    """A working virtual environment with pip; one that is broken or of another Python is replaced."""
    python = folder / "bin" / "python"
    if _usable(folder, python):
        return python
    if importlib.util.find_spec("ensurepip") is None:
        name = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise RefusalError(f"Python's venv module is incomplete here: `apt install {name}` (Debian, Ubuntu), then run the same command again.")  # fmt: skip
    say(f"Creating .venv with Python {platform.python_version()}")
    try:
        venv.create(folder, with_pip=True, clear=folder.exists(), symlinks=True)
    except (subprocess.CalledProcessError, PermissionError) as error:
        raise RefusalError(f".venv could not be created ({error}): remove it and check the folder's permissions.") from error  # fmt: skip
    return python


def install(folder: Path, python: Path, build: TorchBuild, *, dev: bool) -> None:
    """PyTorch first, so that its build is settled before anything asks for it; then the rest."""
    log = folder / "install.log"
    log.unlink(missing_ok=True)
    stamp_file(folder).unlink(missing_ok=True)
    pip_install(
        python,
        build.pip_arguments(installed_torch(folder)),
        title=f"PyTorch ({build.reason})",
        log=log,
        missing=(
            f"No index has {build.requirement} for this machine: make {build.extra_index or 'your package index'} "
            "reachable, or accept the default build (with CUDA, gigabytes on Linux) with TORCH_BUILD=default."
        ),
    )
    chosen = folder / "torch-build.txt"
    chosen.write_text(build.constraint())
    pip_install(
        python,
        [
            "-r",
            str(REPOSITORY / ("requirements-dev.txt" if dev else "requirements.txt")),
            "-c",
            str(chosen),
        ],
        title="Requirements" + (" and development tools" if dev else ""),
        log=log,
        missing="A pinned package does not exist for this Python or processor; use Python 3.11 or 3.12 on x86-64 or arm64.",
    )
    for packages in folder.glob("lib/python3.*/site-packages"):
        compile_packages(python, packages)


def installed_torch(folder: Path) -> str | None:
    """The version of torch in `.venv`, with its local label."""
    for path in folder.glob("lib/python3.*/site-packages/torch-*.dist-info"):
        return path.name.removeprefix("torch-").removesuffix(".dist-info")
    return None


def _usable(folder: Path, python: Path) -> bool:
    version = tuple(int(part) for part in version_of(folder).split(".") if part)[:2]
    if not LOWEST <= version < ABOVE:
        return False
    pip = subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, check=False)
    return pip.returncode == 0


def _refuse_small_disk(folder: Path) -> None:
    free = shutil.disk_usage(folder).free / 1e9
    if free < FREE_GB_NEEDED and not (folder / ".venv" / "bin" / "python").exists():
        raise RefusalError(f"{free:.1f} GB are free, an installation needs about {FREE_GB_NEEDED} GB: make room, then run the same command again.")  # fmt: skip


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Lets one installation at a time change `.venv`; the next one waits."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another installation is at work in this folder; waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    run_program(lambda: main(sys.argv[1:]), resume="run the same command again")
