"""On whose behalf a call is made: the Dag, run and task, or the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """Who pays. `run` is unique across Dags: Airflow's run id stands behind its Dag's."""

    dag: str = ""
    run: str = ""
    task: str = ""
    map_index: int = -1
    try_number: int = 0

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, *, map_index: int = -1
    ) -> Caller:
        """The task that Airflow runs in this process; nobody outside of Airflow.

        Airflow does not export the map index of a task: whoever knows it passes it.
        """
        held = os.environ if environment is None else environment
        dag, run = held.get("AIRFLOW_CTX_DAG_ID", ""), held.get("AIRFLOW_CTX_DAG_RUN_ID", "")
        tries = held.get("AIRFLOW_CTX_TRY_NUMBER", "")
        return cls(
            dag=dag,
            run=f"{dag}/{run}" if run else "",
            task=held.get("AIRFLOW_CTX_TASK_ID", ""),
            map_index=map_index,
            try_number=int(tries) if tries.isdigit() else 0,
        )


_ACTING: ContextVar[Caller | None] = ContextVar("acting", default=None)


@contextmanager
def acting_as(caller: Caller) -> Iterator[None]:
    """In the block, and in this thread or task alone, calls are made on behalf of this caller."""
    token = _ACTING.set(caller)
    try:
        yield
    finally:
        _ACTING.reset(token)


def acting() -> Caller | None:
    """Whom `acting_as` names here and now."""
    return _ACTING.get()
