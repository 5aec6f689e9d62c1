"""A stand-in API in its own process, and platforms that talk to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from include.deployment import EnvironmentDeployment
from include.settings import Settings
from include.wiring import Platform
from tests.standin.running import Running, standing_in

Connect = Callable[..., Platform]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with standing_in(tmp_path_factory.mktemp("stand-in") / "meter.jsonl") as running:
        yield running


@pytest.fixture
def api(server: Running, tmp_path: Path) -> Running:
    fresh = Running(server.port, tmp_path / "meter.jsonl")
    fresh.control(begin=str(fresh.meter))
    return fresh


@pytest.fixture
def connected(api: Running, environment: dict[str, str]) -> Iterator[Connect]:
    """A platform whose models are the stand-in's; `extra` goes into the connection."""
    made = []

    def make(extra: dict[str, object] | None = None, **changed: str) -> Platform:
        world = environment | {"RAG_EMBEDDER": "openai:stand-in-embed@32"} | changed
        world |= api.environment(**(extra or {})) | {
            name: value for name, value in changed.items() if name.startswith("AIRFLOW_")
        }
        made.append(Platform(Settings.from_environment(world), EnvironmentDeployment(world)))
        return made[-1]

    yield make
    for platform in made:
        platform.close()
