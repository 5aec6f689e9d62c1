"""What every task begins with: the platform under this process's settings, and the name of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Variable, get_current_context

from include.orchestration.deployment import AirflowDeployment
from include.settings import Settings
from include.spending.caller import Caller
from include.wiring import Platform

if TYPE_CHECKING:
    from include.storage.artifacts import Artifacts

Json = dict[str, Any]


def connected() -> Platform:
    """The platform of this task, which pays for what is called through it."""
    platform = configured()
    index = getattr(get_current_context().get("ti"), "map_index", None)
    platform.caller = Caller.from_environment(map_index=-1 if index is None else index)
    return platform


def configured() -> Platform:
    """The platform under the settings of this process and the budgets of the Variable."""
    budgets = Variable.get("rag_budgets", default=None, deserialize_json=True)
    platform = Platform(Settings.from_environment(), AirflowDeployment())
    return platform if budgets is None else platform.with_budgets(budgets)


def run_name() -> str:
    """Airflow's run id, which is unique within a Dag only, behind the Dag's."""
    context = get_current_context()
    return f"{context['dag'].dag_id}/{context['run_id']}"


def artifacts_of(platform: Platform) -> Artifacts:
    """The folder of this task's run."""
    return platform.artifacts(run_name())


def load(kind: type[Any], value: Json) -> Any:
    """The dataclass that a task handed on as JSON."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind).validate_python(value)
