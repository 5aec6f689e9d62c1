"""What a Dag run's task instances amount to, stage by stage, and the lines that tell of a change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tools.console import duration

FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
SILENT = frozenset({"", "scheduled", "queued", "restarting", "removed"})
WORDS = {
    "running": "running",
    "success": "done",
    "failed": "FAILED",
    "skipped": "skipped, nothing to do",
    "upstream_failed": "not run, because an earlier task failed",
    "up_for_retry": "failed, will be tried again",
    "up_for_reschedule": "waiting",
    "deferred": "waiting",
    "awaiting_input": "waiting for a person: see Required Actions in the UI",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """One task of a run with all its mapped instances; `seconds` from first start to last end."""

    task: str
    mapped: bool
    states: tuple[tuple[str, int], ...]
    seconds: float | None

    @property
    def total(self) -> int:
        """How many instances there are."""
        return sum(count for _, count in self.states)

    @property
    def finished(self) -> int:
        """How many will not run again."""
        return sum(count for state, count in self.states if state in FINISHED)

    def line(self) -> str:
        """The stage in words, or nothing while nothing has happened."""
        counts = dict(self.states)
        spoken = [state for state in WORDS if counts.get(state)]
        if not spoken:
            return ""
        took = f" in {duration(self.seconds)}" if self.seconds is not None else ""
        if self.total == 1 and not self.mapped:
            return WORDS[spoken[0]] + (took if spoken == ["success"] else "")
        done = counts.get("success", 0)
        others = [f"{counts[state]} {WORDS[state]}" for state in spoken if state not in ("success", "running")]  # fmt: skip
        return ", ".join([f"{done} of {self.total} done{took if done == self.total else ''}", *others])  # fmt: skip


def stages_of(instances: Sequence[Mapping[str, Any]]) -> dict[str, Stage]:
    """The stages of a run in the order they started, those not started last.

    `instances` are task instances as Airflow's REST API lists them.
    """
    by_task: dict[str, list[Mapping[str, Any]]] = {}
    for instance in sorted(instances, key=lambda each: str(each.get("start_date") or "9999")):
        by_task.setdefault(str(instance["task_id"]), []).append(instance)
    return {task: _stage(task, group) for task, group in by_task.items()}


def changes(before: Mapping[str, Stage], after: Mapping[str, Stage]) -> list[str]:
    """One line for each stage whose words changed."""
    lines = []
    for task, stage in after.items():
        line = stage.line()
        if line and (task not in before or before[task].line() != line):
            lines.append(f"{task:14} {line}")
    return lines


def failed_instances(instances: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The instances that failed for good, by themselves."""
    return [instance for instance in instances if instance.get("state") == "failed"]


def _stage(task: str, group: Sequence[Mapping[str, Any]]) -> Stage:
    states = Counter(str(instance.get("state") or "") for instance in group)
    begun = [str(each["start_date"]) for each in group if each.get("start_date")]
    ended = [str(each["end_date"]) for each in group if each.get("end_date")]
    finished = set(states) <= FINISHED and begun and ended
    seconds = (moment(max(ended)) - moment(min(begun))).total_seconds() if finished else None
    mapped = any(int(instance.get("map_index", -1)) >= 0 for instance in group)
    return Stage(task, mapped, tuple(sorted(states.items())), seconds)


def moment(text: str) -> datetime:
    """An instant as the REST API writes it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
