"""The bodies of `review_golden`: golden questions made where few wait, shown to people, decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from airflow.sdk import get_current_context

from include.orchestration.approval import QUESTION
from include.orchestration.connecting import artifacts_of, connected
from include.orchestration.review import fenced, plain, who
from include.orchestration.skipping import skipped
from include.wiring import Platform

Json = dict[str, Any]
ACCEPT, REJECT, LATER = "Accept", "Reject", "Decide later"
CHOICES = (ACCEPT, REJECT, LATER)
SAFE_CHOICE = LATER
_NAMES = "review/golden"
_SHOWN = 3_000


def plan(params: Mapping[str, Any]) -> Json:
    """Draws passages to ask about, and leaves a question where that is dear.

    Without a chat model titles and headings are proposed at once. Nothing is made while as many
    questions wait as are to be shown.
    """
    from include.golden.drawing import plan as draw
    from include.golden.kept import WAITING, questions_of
    from include.golden.titles import propose

    platform, most = connected(), int(params["most"])
    if platform.registry.live() is None:
        raise skipped("Nothing has been ingested yet: there is nothing to ask about.")
    if not most or len(questions_of(platform.tables, WAITING)) >= int(params["show"]):
        return {"passages": 0}
    if platform.chat_model is None:
        new = propose(platform.tables, most=int(params["show"]), seed=int(params["seed"]))
        return {"passages": 0, "from_titles": new}
    work = draw(platform, artifacts_of(platform), most=most, seed=int(params["seed"]))
    limit = platform.settings.budgets.approval_usd
    cost = f"{work.cost_usd:f}"
    if limit is not None and work.cost_usd > limit:
        question = {
            "subject": f"Spend up to ${cost} on golden questions?",
            "body": f"{work.passages} passages are to be shown to {platform.chat_model.name}, at most "
            f"{work.tokens:,} tokens. Without approval a run may spend ${limit:f}. **Reject** asks "
            f"about none of them; questions that wait already are shown all the same.",
        }
        get_current_context()["ti"].xcom_push(QUESTION, question)
    return {"passages": work.passages, "tokens": work.tokens, "estimated_cost_usd": cost}


def generate(planned: Json) -> Json:
    """Asks the chat model; skips when there is nothing to ask about."""
    from include.golden.generating import generate as ask

    platform = connected()
    chat = platform.chat_model
    if not planned["passages"] or chat is None:
        raise skipped("Nothing is to be asked of a model: nothing was spent.")
    return ask(platform, chat, artifacts_of(platform)).as_json()


def questions(params: Mapping[str, Any]) -> list[Json]:
    """A bounded batch of the questions that wait, those that came first first."""
    from include.golden.kept import WAITING, questions_of

    platform = connected()
    rows = questions_of(platform.tables, WAITING, int(params["show"]))
    if not rows:
        raise skipped("No question waits for a person.")
    artifacts_of(platform).write_json(_NAMES, [row["id"] for row in rows])
    return [_question(row) for row in rows]


def asked() -> int:
    """How many questions this run asked."""
    return len(_names(connected()))


def record_answers(answers: Iterable[Json | None]) -> dict[str, int]:
    """Records what people chose; what was decided meanwhile from a shell stands."""
    from include.golden.kept import ACCEPTED, REJECTED, WAITING, Decision, decide, questions_of

    platform, counts = connected(), Counter[str]()
    waiting = {row["id"] for row in questions_of(platform.tables, WAITING)}
    states = {ACCEPT: ACCEPTED, REJECT: REJECTED}
    for name, answer in zip(_names(platform), answers, strict=True):
        chosen = answer["chosen_options"][0] if answer else LATER
        if answer is None or chosen not in states or name not in waiting:
            continue
        text = str((answer.get("params_input") or {}).get("question") or "")
        decide(platform.tables, [Decision(name, states[chosen], text)], who(answer))
        counts[states[chosen]] += 1
    if not counts:
        raise skipped("Nobody decided: the questions wait for the next run.")
    return dict(counts)


def _names(platform: Platform) -> list[str]:
    names: list[str] = artifacts_of(platform).read_json(_NAMES)
    return names


def _question(row: Json) -> Json:
    places = "\n".join(f"- `{plain(unquote(uri))}`" for uri in row["relevant"])
    answer = f"**Expected answer**\n\n{fenced(row['answer'])}\n\n" if row["answer"] else ""
    body = (
        f"**Question**\n\n{fenced(row['question'])}\n\n{answer}**Passage**\n\n"
        f"{fenced(row['passage'][:_SHOWN])}\n\n{places}\n\nMade by: {plain(', '.join(row['tags']))}. "
        f"*Accept* makes it part of the golden set that evaluations ask; enter other words below to "
        f"accept it in those. A good question is one that people ask, in their words."
    )
    return {"subject": row["question"][:200], "body": body}
