"""A filled lake, and the API over a copy of it; the stand-in is its chat model where one is asked for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from include.deployment import EnvironmentDeployment
from include.settings import Settings
from include.wiring import Platform
from tests.serving.running import Program, Served, program, served
from tests.small_lake import made
from tests.spending.conftest import api, server
from tests.standin.running import Running

__all__ = ["api", "server"]
CHAT = {"RAG_CHAT_MODEL": "openai:stand-in-chat"}
DOCUMENTS = {
    "retry.md": "# Retry\n\nRetries failing calls with a growing delay.\n",
    "cache.md": "# Cache\n\nKeeps results of pure functions in memory.\n",
    "salary.md": "---\nacl: hr\n---\n# Salaries\n\nSalaries are paid on the last day of a month.\n",
}
Serve = Callable[..., Served]


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an inbox and a lake of three documents, one of them for `hr` alone."""
    folder = tmp_path_factory.mktemp("filled")
    made(folder, DOCUMENTS)
    return folder


@pytest.fixture
def lake(filled: Path, environment: dict[str, str], tmp_path: Path) -> Path:
    """A copy of the lake for this test."""
    shutil.copytree(filled / "lake", tmp_path / "lake")
    return tmp_path / "lake"


@pytest.fixture
def serve(environment: dict[str, str]) -> Iterator[Serve]:
    """Serves the lake at `tmp_path`, whatever it holds, with these settings."""
    with ExitStack() as running:

        def start(*, ready: bool = True, **changed: str) -> Served:
            world = environment | changed
            platform = Platform(Settings.from_environment(world), EnvironmentDeployment(world))
            return running.enter_context(served(platform, ready=ready))

        yield start


@pytest.fixture
def chatting(serve: Serve, lake: Path, api: Running) -> Serve:
    """Serves with the stand-in as chat model."""

    def start(extra: dict[str, object] | None = None, **changed: str) -> Served:
        return serve(**CHAT | api.environment(**(extra or {})) | changed)

    return start


@pytest.fixture
def process(
    environment: dict[str, str], lake: Path, api: Running
) -> Iterator[Callable[..., Program]]:
    """`python -m include serve` with the stand-in as chat model."""
    with ExitStack() as running:

        def start(**changed: str) -> Program:
            world = environment | CHAT | api.environment() | {"RAG_ENV_FILE": ""} | changed
            platform = Platform(Settings.from_environment(world), EnvironmentDeployment(world))
            return running.enter_context(program(platform, world))

        yield start
