"""One throwaway Airflow for all Dag tests: its own home, SQLite, no examples, no network."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.airflow_home import HOME

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """The AIRFLOW_HOME of the tests (`tests/airflow_home.py`), with a migrated metadata database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from airflow.utils.db import initdb

        initdb()
    return HOME


@pytest.fixture(scope="session")
def dags(airflow_home: Path) -> dict[str, Any]:
    """Every Dag of the bundle by id; a file that does not import fails the test that asks."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(REPOSITORY / "dags"))
    assert bag.import_errors == {}
    return dict(bag.dags)
