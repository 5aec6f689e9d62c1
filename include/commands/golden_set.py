"""The golden set in the lake, from a shell: made, looked at, decided about, exported."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.commands.golden import write
from include.commands.progress import bar
from include.errors import ConfigurationError, TransientError
from include.evaluation.synthetic import as_line
from include.golden.drawing import plan, require_approval
from include.golden.generating import Generated, generate
from include.golden.kept import (
    ACCEPTED,
    FEWEST,
    REJECTED,
    STATES,
    WAITING,
    Decision,
    accepted,
    decide,
    questions_of,
)
from include.golden.titles import propose
from include.spending.caller import Caller
from include.wiring import Platform, new_run_id

Json = dict[str, Any]
DECISIONS = {"accept": ACCEPTED, "reject": REJECTED}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which questions a decision is about: these ids, or all that wait. `question` rewords one."""

    ids: Sequence[str] = ()
    everything: bool = False
    question: str = ""


def listed(platform: Platform, state: str | None) -> Json:
    """Every question in this state, or all of them, and how many there are of each."""
    rows = questions_of(platform.tables)
    return {
        "counts": {name: sum(row["state"] == name for row in rows) for name in STATES},
        "asked": len(accepted(platform.tables)),
        "needed": FEWEST,
        "items": [
            {**row, "at": row["at"].isoformat()} for row in rows if state in (None, row["state"])
        ],
    }


def generated(platform: Platform, *, most: int, seed: int, again: bool = False) -> tuple[Json, int]:
    """Lets new questions wait for a person: a chat model's, or without one titles and headings.

    `most` bounds the passages that are asked about. Exit status 1 when it stopped before its end.
    Raises ApprovalError above `approval_usd`, before anything is paid.
    """
    if most < 1:
        raise ConfigurationError(f"--most should be >= 1, is {most}.")
    platform.live_index()
    chat = platform.chat_model
    if chat is None:
        kept = propose(platform.tables, most=most, seed=seed)
        return {"model": "none", **Generated(kept=kept).as_json(), **_waiting(platform)}, 0
    run_id = new_run_id()
    platform.caller = Caller(run=run_id, task="generate_questions")
    artifacts = platform.artifacts(run_id)
    work = plan(platform, artifacts, most=most, seed=seed, again=again)
    require_approval(work, platform)
    done = Generated()
    with suppress(TransientError), bar("Asking", work.passages) as advance:
        generate(platform, chat, artifacts, advance, done)
    artifacts.write_json("receipt", {"run_id": run_id, **done.as_json()})
    estimate = {"passages": work.passages, "estimated_cost_usd": f"{work.cost_usd:f}"}
    answer = {"run_id": run_id, "model": chat.name, **estimate, **done.as_json()}
    return {**answer, **_waiting(platform)}, int(bool(done.stopped))


def decided(platform: Platform, state: str, chosen: Chosen) -> Json:
    """Accepts or rejects questions, in place of earlier decisions."""
    ids = list(chosen.ids)
    if chosen.everything:
        ids += [row["id"] for row in questions_of(platform.tables, WAITING)]
    if not ids:
        raise ConfigurationError(
            "Nothing to decide about: name questions by id (`golden list`), or give --all."
        )
    if chosen.question and len(ids) != 1:
        raise ConfigurationError(f"--question rewords one question; {len(ids)} were named.")
    decisions = [Decision(each, state, chosen.question) for each in ids]
    count = decide(platform.tables, decisions, getpass.getuser())
    return {"decision": state, "questions": count, **listed(platform, None), "items": []}


def exported(platform: Platform, out: Path) -> Json:
    """Writes the accepted questions about documents that are indexed, as a golden file."""
    questions = accepted(platform.tables)
    if not questions:
        raise ConfigurationError(
            "No accepted question is about an indexed document: `golden accept` some first."
        )
    if out.exists():
        raise ConfigurationError(f"--out {str(out)!r} exists: name another file, or remove it.")
    write(out, "".join(f"{as_line(each)}\n" for each in questions))
    return {"out": str(out), "exported": len(questions)}


def shown(answer: Json) -> str:
    """What was made, decided or found, for people."""
    if "exported" in answer:
        return f"{answer['exported']} accepted questions in {answer['out']}."
    if "kept" in answer:
        return _shown_generation(answer)
    lines = [line for row in answer["items"] for line in _shown_question(row)]
    counts = ", ".join(f"{count} {name}" for name, count in answer["counts"].items())
    lines.append(f"{counts}. {_use(answer)}")
    if "decision" in answer:
        lines.insert(0, f"{answer['questions']} marked '{answer['decision']}'.")
    return "\n".join(lines)


def _use(answer: Json) -> str:
    if answer["asked"] >= answer["needed"]:
        return f"Evaluations ask the {answer['asked']} accepted ones, unless a file is named."
    return f"From {answer['needed']} accepted ones on, evaluations ask these."


def _shown_generation(answer: Json) -> str:
    dropped = ", ".join(f"{count} {name}" for name, count in answer["dropped"].items())
    lines = [
        f"{answer['kept']} new questions by {answer['model']} wait for a person"
        f"{f' (dropped: {dropped})' if dropped else ''}; {answer['waiting']} wait in all."
    ]
    if answer["model"] != "none":
        lines.append(
            f"{answer['passages']} passages for ${answer['cost_usd']} (at most "
            f"${answer['estimated_cost_usd']}); {answer['set_aside']} gave no usable reply."
        )
    if answer["stopped"]:
        lines.append(f"Stopped: {answer['stopped']} Run it again to go on.")
    return "\n".join([*lines, "Look at them: `golden list --state waiting`, or Dag review_golden."])


def _shown_question(row: Json) -> list[str]:
    places = ", ".join(row["relevant"])
    return [
        f"{row['state']:<9} {row['id']}  {row['question']}",
        *([f"  answer: {row['answer']}"] if row["answer"] else []),
        f"  {places} ({', '.join(row['tags'])})",
    ]


def _waiting(platform: Platform) -> Json:
    return {"waiting": len(questions_of(platform.tables, WAITING))}
