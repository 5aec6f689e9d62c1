"""Decisions of the installer: which Python, which PyTorch, and what to tell when pip fails."""

from __future__ import annotations

import json
import re
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tools import install, lock
from tools.console import RefusalError
from tools.pip_runs import trouble
from tools.torch_build import CPU_INDEX, choose_build, pinned_version

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = dict.fromkeys(install.FILES, "torch==2.13.0\n")


@pytest.mark.parametrize(
    ("system", "has_gpu", "override", "requirement", "index"),
    [
        ("Linux", False, "", "torch==2.13.0+cpu", CPU_INDEX),
        ("Linux", True, "", "torch==2.13.0", None),
        ("Darwin", False, "", "torch==2.13.0", None),
        ("Linux", False, "default", "torch==2.13.0", None),
        ("Linux", True, "cpu", "torch==2.13.0+cpu", CPU_INDEX),
    ],
)
def test_the_build_without_cuda_is_chosen_on_linux_without_a_gpu(
    system: str, has_gpu: bool, override: str, requirement: str, index: str | None
) -> None:
    build = choose_build("2.13.0", system=system, has_gpu=has_gpu, override=override)
    assert (build.requirement, build.extra_index) == (requirement, index)


def test_an_unknown_torch_build_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(RefusalError, match=r"cpu or default, is 'cuda'"):
        choose_build("2.13.0", system="Linux", has_gpu=False, override="cuda")


@pytest.mark.parametrize(
    ("installed", "forced"),
    [(None, False), ("2.13.0+cpu", False), ("2.13.0", True), ("2.12.0+cpu", False)],
)
def test_another_build_of_the_same_version_is_replaced_by_force(
    installed: str | None, forced: bool
) -> None:
    build = choose_build("2.13.0", system="Linux", has_gpu=False, override="")
    assert ("--force-reinstall" in build.pip_arguments(installed)) is forced


@pytest.mark.parametrize("version", [(3, 10), (3, 15), (2, 7)])
def test_a_python_that_airflow_does_not_support_is_refused_in_one_sentence(
    version: tuple[int, int],
) -> None:
    with pytest.raises(RefusalError) as refusal:
        install.refuse_unfit_python(version, "Linux")
    assert str(refusal.value).startswith(
        f"Python 3.11 to 3.14 is needed, this is {version[0]}.{version[1]}:"
    )
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("version", [(3, 11), (3, 14)])
def test_supported_pythons_are_let_through(version: tuple[int, int]) -> None:
    install.refuse_unfit_python(version, "Darwin")


def _wanted(dev: bool, files: dict[str, str] = FILES, python: str = "3.11.7") -> dict[str, object]:
    build = choose_build("2.13.0", system="Linux", has_gpu=False, override="")
    return install.wanted_stamp(files, build, python, dev=dev)


def test_a_development_installation_includes_the_plain_one_but_not_the_reverse(
    tmp_path: Path,
) -> None:
    install.stamp_file(tmp_path).write_text(json.dumps(_wanted(dev=True)))
    assert install.is_installed(tmp_path, _wanted(dev=False))
    install.stamp_file(tmp_path).write_text(json.dumps(_wanted(dev=False)))
    assert not install.is_installed(tmp_path, _wanted(dev=True))


def test_a_changed_requirement_or_python_makes_an_installation_incomplete(tmp_path: Path) -> None:
    install.stamp_file(tmp_path).write_text(json.dumps(_wanted(dev=True)))
    assert not install.is_installed(
        tmp_path, _wanted(dev=True, files=FILES | {"constraints.txt": "x==1"})
    )
    assert not install.is_installed(tmp_path, _wanted(dev=True, python="3.12.1"))
    assert not install.is_installed(tmp_path, _wanted(dev=True, python=""))


@pytest.mark.parametrize("stamp", ["", "{", "[]", "null"])
def test_a_torn_stamp_means_not_installed(tmp_path: Path, stamp: str) -> None:
    install.stamp_file(tmp_path).write_text(stamp)
    assert not install.is_installed(tmp_path, _wanted(dev=False))


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        (
            "WARNING: Retrying: NewConnectionError: Temporary failure in name resolution\n"
            "ERROR: Could not find a version that satisfies the requirement polars==2.1.0",
            "No package index can be reached",
        ),
        (
            "The conflict is caused by:\n    a 1 depends on b>=2\n    The user requested (constraint) b==1\n\nTo fix",
            "Pinned packages do not fit this Python: a 1 depends on b>=2, but The user requested (constraint) b==1.",
        ),
        ("SSLError(SSLCertVerificationError CERTIFICATE_VERIFY_FAILED", "PIP_CERT"),
        ("ERROR: No matching distribution found for torch==2.13.0+cpu", "MISSING"),
        ("noise\nERROR: something new {odd}\n", "pip failed: something new odd"),
    ],
)
def test_the_cause_of_a_failed_installation_is_named(output: str, told: str) -> None:
    assert told in trouble(output, "MISSING")


def test_an_unreachable_extra_index_is_not_blamed_when_others_answered() -> None:
    output = (
        "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError': /whl/cpu/torch/\n"
        "ERROR: Could not find a version that satisfies the requirement torch==2.13.0+cpu "
        "(from versions: 2.12.0, 2.13.0)\nERROR: No matching distribution found for torch==2.13.0+cpu"
    )
    assert trouble(output, "MISSING") == "MISSING"


def test_the_lock_names_versions_without_local_labels_and_without_cuda() -> None:
    installed = [
        ("torch", "2.13.0+cpu"),
        ("nvidia-cublas-cu12", "1"),
        ("pip", "26"),
        ("Zope.Event", "5"),
    ]
    assert lock.locked(installed) == ["torch==2.13.0", "zope-event==5"]


def _pins(name: str) -> dict[str, str]:
    lines = (REPOSITORY / name).read_text().splitlines()
    pins = [line.partition("#")[0].strip() for line in lines if re.match(r"^[A-Za-z]", line)]
    assert all("==" in pin for pin in pins), f"{name} has an unpinned line"
    split = (re.sub(r"\[.*\]", "", pin).split("==") for pin in pins)
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in split}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_direct_requirement_is_pinned_to_the_locked_version(name: str) -> None:
    locked = _pins("constraints.txt")
    assert {package: locked.get(package) for package in _pins(name)} == _pins(name)


def test_the_requirement_files_refer_to_one_another() -> None:
    assert (REPOSITORY / "requirements.txt").read_text().startswith("-c constraints.txt\n")
    assert (REPOSITORY / "requirements-dev.txt").read_text().startswith("-r requirements.txt\n")


def test_the_version_of_torch_is_read_from_the_requirements() -> None:
    assert pinned_version("a==1\ntorch==2.13.0\n") == "2.13.0"
    with pytest.raises(RefusalError, match="does not pin torch"):
        pinned_version("torchvision==1\n")


def test_every_pinned_package_supports_the_first_release_of_each_python() -> None:
    refusing = [
        f"{each.name} {each.version} needs {needed}"
        for each in distributions()
        if (needed := each.metadata.get("Requires-Python"))
        for python in ("3.11.0", "3.12.0", "3.13.0", "3.14.0")
        if not SpecifierSet(needed).contains(python)
    ]
    assert refusing == []
