"""`answer FILE`: a file of questions, answered; what was answered before is not asked again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from include.answering.asking import Asking
from include.answering.batches import IN_BATCHES, answer_batch, collect, plan
from include.answering.questions import parse_questions
from include.commands.progress import bar
from include.errors import ConfigurationError, TransientError
from include.spending.caller import Caller
from include.wiring import Platform, new_run_id

Json = dict[str, Any]


def answer_file(
    platform: Platform,
    file: Path,
    *,
    out: Path | None = None,
    k: int = 10,
    prompt: str | None = None,
) -> tuple[Json, int]:
    """Answers every question; JSON Lines in the lake, and at `out`.

    Exit status 1 while questions are open: run it again to go on.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The questions in {file} cannot be read: {error}.") from error
    questions = parse_questions(text, file.name)
    run_id = new_run_id()
    platform.caller = Caller(run=run_id, task="answer")
    artifacts, asking = platform.artifacts(run_id), Asking(k, prompt=prompt, rescued=IN_BATCHES)
    batches, stopped = plan(platform, questions, asking, artifacts), ""
    with bar("Answering", sum(batch.count for batch in batches)) as advance:
        for batch in batches:
            try:
                stopped = answer_batch(platform, batch, asking, artifacts, advance).stopped
            except TransientError as error:
                stopped = str(error)
            if stopped:
                break
    result = collect(platform, asking, artifacts) | {"stopped": stopped}
    if out:
        _write(platform, result["jsonl"], out)
        result["out"] = str(out)
    return result, int(bool(result["open"]))


def shown(answer: Json) -> str:
    """Counts, cost, and where the answers are."""
    lines = [
        f"{answer['answered']} of {answer['questions']} questions answered "
        f"({answer['extractive']} by extracts), ${answer['cost_usd']} in all.",
        f"Answers: {answer.get('out') or answer['jsonl']}",
    ]
    if answer["stopped"]:
        lines.append(f"Stopped: {answer['stopped']} Run it again to go on.")
    return "\n".join(lines)


def _write(platform: Platform, uri: str, out: Path) -> None:
    lines = platform.lake.files.read(platform.lake.files.path(uri)) or b""
    try:
        out.write_bytes(lines)
    except OSError as error:
        raise ConfigurationError(
            f"--out should name a file that can be written; {str(out)!r} cannot: {error}. The "
            f"answers are at {uri}."
        ) from error
