"""One throwaway Airflow for all Dag tests: its own home, SQLite, no examples, no network."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
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


def forget_params(dag: Any) -> None:
    """Airflow's `dag.test()` leaves what a run was given in the params of the Dag's tasks."""
    given = dag.params.dump()
    for task in dag.tasks:
        task.params.update({name: given[name] for name in task.params if name in given})


@pytest.fixture(autouse=True)
def _params_as_written(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test sees the params of another."""
    yield
    if "dags" in request.fixturenames:
        for dag in request.getfixturevalue("dags").values():
            forget_params(dag)
