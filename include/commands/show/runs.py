"""What a run would do and cost, what it did, and the indexes it did it to."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_CLASSES = ("added", "changed", "moved", "copied", "metadata", "removed")


def plan(answer: Json) -> str:
    """What would change, then what would be embedded, what it would cost, and who is asked."""
    from include.stages.coverage import told

    changes = ", ".join(f"{answer[name]} {name}" for name in _CLASSES if answer.get(name))
    other, batches = "target" in answer, answer.get("estimated_batch_cost_usd")
    in_batches = f", or ${batches} with --batch-api" if batches else ""
    lines = [
        f"Index {answer['index']}: {answer['missing']} of {answer['documents']} documents are missing"
        f"{told(answer['missing_days'])}, {answer['surplus']} are surplus."
        if other
        else f"Documents: {changes or 'nothing changed'}; {answer['unchanged']} unchanged."
    ]
    if answer.get("deletions_withheld"):
        lines.append(_withheld(answer["deletions_withheld"]))
    lines.append(
        f"Chunks: {answer['chunks']}, of which {answer['chunks_to_embed']} are to be embedded "
        f"({answer['tokens_to_embed']} tokens, ${answer['estimated_cost_usd']}{in_batches})."
    )
    return "\n".join([*lines, *_verdict(answer, "reembed" if other else "sync")])


def forecast(answer: Json, what: str, command: str) -> str:
    """What asking a chat model takes and costs at most, and who is asked before."""
    tokens = f"{answer['input_tokens']} tokens sent and {answer['output_tokens']} received"
    line = f"{what}: at most {answer['calls']} calls, {tokens}, ${answer['estimated_cost_usd']}."
    return "\n".join([line, *_verdict(answer, command)])


def receipt(answer: Json) -> str:
    """What the run did."""
    changes = ", ".join(f"{answer[name]} {name}" for name in _CLASSES if answer.get(name))
    if not changes and not answer.get("withheld") and not answer.get("quarantined"):
        return (
            f"Nothing changed: {answer['unchanged']} documents, 0 embedded ({answer['seconds']} s)."
        )
    lines = [
        f"Documents: {changes or 'nothing changed'}; {answer['unchanged']} unchanged.",
        f"Texts: {answer['embedded']} embedded, {answer['reused']} reused from the cache. "
        f"Chunks: {answer['published']} published, {answer['retracted']} retracted.",
        f"Run {answer['run_id']} took {answer['seconds']} s and cost ${answer['cost_usd']}.",
    ]
    if answer.get("quarantined"):
        lines.append(
            f"{answer['quarantined']} set aside: `python -m include quarantine list` says why."
        )
    if answer.get("withheld"):
        lines.append(_withheld(answer["withheld"]))
    return "\n".join(lines)


def indexes(answer: Json) -> str:
    """One line an index."""
    if not answer["indexes"]:
        return "No index yet: run `python -m include sync`."
    return "\n".join(map(_index, answer["indexes"]))


def _index(entry: Json) -> str:
    lacks = f"  lacks {entry['missing']} documents" if entry["missing"] else ""
    return f"{entry['state']:<10} {entry['name']}{lacks}"


def _verdict(answer: Json, command: str) -> list[str]:
    """Whether a person has to approve the plan before this command, and which budgets stop it."""
    cost, lines = answer["estimated_cost_usd"], []
    if answer["needs_approval"]:
        lines.append(
            f"Needs approval: ${cost} is more than approval_usd (${answer['approval_usd']}). Give "
            f"`{command}` --approve-usd {cost}, or approve it in Airflow, where the Dag asks."
        )
    if answer["stopped_by"]:
        lines.append(
            f"It would be stopped by {' and '.join(answer['stopped_by'])} of rag_budgets: it keeps "
            f"what it paid for and a later run goes on. Raise that to do it in one run."
        )
    return lines


def _withheld(count: int) -> str:
    return (
        f"{count} documents are gone from the source, all of one or more than max_delete_fraction "
        f"allows: they stay searchable. If the deletion is intended, add --allow-deletions."
    )
