"""Shared by all tests: no network, no user configuration, a small world to ingest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from include.settings import Settings
from include.wiring import Platform
from tests import airflow_home as _airflow_home  # noqa: F401 (before any test imports Airflow)
from tests.s3.stores import Store, served
from tests.small_lake import settings_of

# Deterministic, and without a deadline: a busy machine must not turn a property red.
hypothesis_settings.register_profile("ci", deadline=None, derandomize=True, database=None)
hypothesis_settings.load_profile("ci")

World = Callable[..., Platform]


@pytest.fixture(autouse=True)
def _no_user_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(
            ("RAG_", "AIRFLOW_VAR_", "AIRFLOW_CONN_", "AIRFLOW_CTX_", "OPENAI_", "AWS_")
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("RAG_ENV_FILE", "")


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An empty source folder."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def environment(tmp_path: Path, inbox: Path) -> dict[str, str]:
    """Settings of a world with a fake model: source in `inbox`, lake in `tmp_path`."""
    return settings_of(tmp_path)


@pytest.fixture
def world(environment: dict[str, str]) -> World:
    """Makes a fresh platform on the same source and lake, as a new process would."""

    def make(**changed: str) -> Platform:
        return Platform(Settings.from_environment(environment | changed))

    return make


@pytest.fixture(scope="session")
def s3() -> Iterator[Store]:
    """A real S3 API on loopback, started once."""
    with served("tests.s3.moto_process") as store:
        yield store


@pytest.fixture
def bucket(s3: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of an empty bucket, which the connection `rag_s3` opens."""
    monkeypatch.setenv("AIRFLOW_CONN_RAG_S3", s3.connection())
    return f"s3://{s3.bucket()}"
