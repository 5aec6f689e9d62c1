"""The bodies of `evaluate_retrieval`: judge, ask a person if it is refused, promote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Asset

from include.errors import GateError, TransientError
from include.orchestration.assets import INDEX_CANDIDATE
from include.orchestration.connecting import connected, run_name
from include.orchestration.review import who
from include.orchestration.skipping import skipped
from include.wiring import Platform

Json = dict[str, Any]

PROMOTE, KEEP = "Promote it all the same", "Do not promote"
_REASONS = 6
_TOLD = {"pass": "Passed", "refuse": "Refused"}
_SHOWN = ("ndcg@10", "recall@10", "mrr@10", "precision@5")


def evaluate(params: Mapping[str, Any], events: Mapping[Asset, Iterable[Any]] | None) -> Json:
    """Judges an index, and leaves the page in the lake; skips when there is nothing new to find."""
    from include.judging import golden_questions, is_known, judge, state_of

    platform = connected()
    if platform.registry.live() is None:
        raise skipped("Nothing has been ingested yet.")
    asked = _asked(platform, params["index"], events)
    asked = replace(
        asked, state=state_of(platform, asked), options="" if params.get("options") else None
    )
    if events and is_known(platform, asked, run_name()):
        raise skipped("Neither index nor questions changed since it was evaluated.")
    questions = golden_questions(platform)
    if not questions:
        raise skipped("There is nothing to ask: name golden questions with RAG_GOLDEN_QUESTIONS.")
    found = judge(platform, questions, asked, run_name()).as_json()
    names = [
        "run_id",
        "index",
        "against",
        "verdict",
        "reasons",
        "metrics",
        "baseline",
        "differences",
        "questions",
        "mode",
        "report",
    ]
    # What people asked stays out of Airflow's database: the page has it.
    traffic = {**found["traffic"], "suggestions": []} if found["traffic"] else None
    return {**{name: found[name] for name in names}, "traffic": traffic}


def doubts(found: Json, *, promote: bool) -> list[Json]:
    """The question to a person, if there is one: subject and body.

    Raises GateError when the live index, alone, has become worse than it was.
    """
    from include.evaluation.page import command

    if found["verdict"] == "fail":
        raise GateError(
            f"{found['index']} answers worse than when it was last evaluated: {_falls(found)}. "
            f"{' '.join(found['reasons'])} `{command(found['run_id'])}` shows the questions that went worst. "
            f"Look at what was ingested since; `python -m include rollback` if an index was switched."
        )
    if not promote or not _is_candidate(found):
        return []
    others = _others(found)
    if found["verdict"] == "pass" and not others:
        return []
    found = {**found, "reasons": [*others, *found["reasons"]]}
    return [{"subject": f"Promote {found['index']}?", "body": _body(found)}]


def promote(found: Json, answers: Iterable[Json | None], *, wanted: bool) -> Json:
    """Makes a candidate live that passed, or that a person wants all the same."""
    from include.stages.coverage import coverage
    from include.stages.promotion import Request
    from include.stages.promotion import promote as make_live

    if not wanted or not _is_candidate(found):
        raise skipped("Judged only: there is no candidate to promote.")
    request = Request(found["index"], run_name())
    platform = connected()
    if found["verdict"] != "pass" or _others(found):
        answer = next((each for each in answers if each), None)
        request = _overruled(platform, found, answer)
    if not coverage(platform.tables, platform.store, request.index).complete:
        raise TransientError(
            f"{request.index} is not complete at this moment: an ingestion is writing documents, "
            f"and will write them into it, too. If this lasts, trigger reembed_corpus."
        )
    made = make_live(
        request, platform.registry, platform.tables, platform.store, now=datetime.now(UTC)
    )
    return {"live": made.name, **(made.promotion or {})}


def _asked(platform: Platform, name: str, events: Mapping[Asset, Iterable[Any]] | None) -> Any:
    from include.judging import Asked, to_judge

    if name:
        is_live = platform.live_index() == platform.registry.get(name).name
        return Asked(with_history=True) if is_live else Asked(name, "live")
    events_told = (events or {}).get(INDEX_CANDIDATE, ())
    told = {str((each.extra or {}).get("index")) for each in events_told}
    return to_judge(platform, told, by_hand=not events)


def _is_candidate(found: Json) -> bool:
    return bool(found["against"] and connected().registry.get(found["index"]).state == "candidate")


def _others(found: Json) -> list[str]:
    from include.judging import candidates

    names = [
        each.name
        for each in candidates(connected())
        if each.name != found["index"] and (each.evaluation or {}).get("verdict") != "refuse"
    ]
    return [f"There is another candidate, {name}: a person chooses." for name in names]


def _overruled(platform: Platform, found: Json, answer: Json | None) -> Any:
    from include.stages.promotion import Request

    person = who(answer or {})
    index = platform.registry.get(found["index"])
    if answer is None or answer["chosen_options"] != [PROMOTE]:
        moment = datetime.now(UTC).isoformat()
        declined = {**(index.evaluation or {}), "declined": {"by": person, "at": moment}}
        platform.registry.update(index.name, evaluation=declined)
        raise skipped(f"{index.name} stays a candidate: not promoted by {person}.")
    reason = (answer.get("params_input") or {}).get("reason") or "no reason was given"
    return Request(index.name, person, f"{person}: {reason}")


def _body(found: Json) -> str:
    from include.evaluation.page import command

    reasons = "\n".join(f"- {each}" for each in found["reasons"][:_REASONS])
    if more := len(found["reasons"]) - _REASONS:
        reasons += f"\n- … and {more} more, in the report" if more > 0 else ""
    rows = "\n".join(_row(found, name) for name in _SHOWN)
    return (
        f"**{_TOLD[found['verdict']]}** over {found['questions']} questions, against "
        f"`{found['against']}`, which is live.\n\n"
        f"| | this index | live | difference [95 %] |\n|---|---|---|---|\n{rows}\n\n{reasons}\n\n"
        f"The page with the questions that went worst: `{command(found['run_id'])}` saves it for a "
        f"browser. In the lake it is `{found['report']}`.\n\n"
        f"Without an answer in three days it stays a candidate, and can be promoted later with "
        f"switch_index or `python -m include promote`."
    )


def _row(found: Json, name: str) -> str:
    change = found["differences"]["metrics"][name]
    return (
        f"| {name} | {found['metrics'][name]:.4f} | {found['baseline'][name]:.4f} | "
        f"{change['mean']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}] |"
    )


def _falls(found: Json) -> str:
    before = found["baseline"]
    return ", ".join(
        f"{name} {found['metrics'][name]:.4f} (before {before[name]:.4f})"
        for name in _SHOWN
        if name in before
    )
