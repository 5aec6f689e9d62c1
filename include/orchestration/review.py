"""The bodies of `review_quarantine`: questions for people, and what their answers mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import get_current_context

from include.orchestration.connecting import connected, run_name
from include.orchestration.skipping import skipped
from include.wiring import Platform

if TYPE_CHECKING:
    from include.stages.review import Decision, Held

Json = dict[str, Any]

MOST_QUESTIONS = 50
CHOICES: Mapping[str, Decision] = {
    "Release": "release",
    "Keep the old version": "keep",
    "Drop": "drop",
}
SAFE_CHOICE = "Keep the old version"
_NAMES = "review/names"


class PlainHITLOperator(HITLOperator):
    """Shows subject and body as they are: a document's text is no Jinja template."""

    template_fields = ()


def questions() -> list[Json]:
    """One question for each document that waits for a decision, the oldest first."""
    from include.stages.review import undecided

    platform = connected()
    waiting = undecided(platform.tables, MOST_QUESTIONS)
    if not waiting:
        raise skipped("Nothing in quarantine waits for a decision.")
    platform.artifacts(run_name()).write_json(_NAMES, [each.id for each in waiting])
    return [_question(each, platform) for each in waiting]


def answers(task_id: str) -> list[Json | None]:
    """What was answered to each question, in their order; None where nobody was asked after all."""
    return answered(task_id, len(connected().artifacts(run_name()).read_json(_NAMES)))


def answered(task_id: str, count: int) -> list[Json | None]:
    """The answers to so many mapped questions, in their order."""
    task = get_current_context()["ti"]
    return [task.xcom_pull(task_ids=task_id, map_indexes=index) for index in range(count)]


def record_answers(answers: Iterable[Json | None]) -> dict[str, int]:
    """Carries out what people chose; counts by decision."""
    from include.stages.review import decide, undecided

    platform = connected()
    names: list[str] = platform.artifacts(run_name()).read_json(_NAMES)
    open_now = {each.id for each in undecided(platform.tables, limit=1_000_000)}
    counts: Counter[str] = Counter()
    for name, answer in zip(names, answers, strict=True):
        if answer and name in open_now:
            chosen = CHOICES[answer["chosen_options"][0]]
            decide(platform.tables, [name], chosen, by=who(answer), now=datetime.now(UTC))
            counts[chosen] += 1
    if not counts["release"] + counts["drop"]:
        raise skipped(f"Nothing for ingestion to do: {dict(counts) or 'no answers'}.")
    return dict(counts)


def who(answer: Json) -> str:
    """The name of the person who answered."""
    user = answer.get("responded_by_user") or {}
    named = user.get("name") if isinstance(user, dict) else getattr(user, "name", None)
    return str(named or "nobody: the time to answer ran out")


def fenced(text: str) -> str:
    """A text that is shown as it is: what a document says is no Markdown here."""
    return "```\n" + text.replace("```", "'''") + "\n```"


def plain(text: str) -> str:
    """A text of one line that cannot end a code span."""
    return "".join(each if each.isprintable() else " " for each in text).replace("`", "'")


def _question(document: Held, platform: Platform) -> Json:
    from include.stages.review import excerpt

    name = unquote(document.uri).rsplit("/", 1)[-1]
    old = "An earlier version is still searchable." if document.has_old_version else (
        "No version of it is searchable."
    )  # fmt: skip
    shown = fenced(excerpt(document, platform.reading()))
    body = (
        f"**{document.reason}**: {document.detail}\n\n"
        f"`{plain(unquote(document.uri))}`, tried {document.tries} times since "
        f"{document.since:%Y-%m-%d %H:%M} UTC. {old}\n\n{shown}"
    )
    return {"subject": f"{document.reason}: {name}", "body": body}
