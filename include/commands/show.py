"""What people read: each function turns a command's JSON into a few lines of plain text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote

Json = dict[str, Any]


def plain(answer: Json) -> str:
    """The JSON, indented."""
    return json.dumps(answer, indent=2, ensure_ascii=False)


def plan(answer: Json) -> str:
    """What would change, then what would be embedded, what it would cost, and who is asked."""
    changes = ", ".join(f"{answer[name]} {name}" for name in _CLASSES if answer.get(name))
    from include.stages.coverage import told

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
    return "\n".join([*lines, *verdict(answer, "reembed" if other else "sync")])


def forecast(answer: Json, what: str, command: str) -> str:
    """What asking a chat model takes and costs at most, and who is asked before."""
    tokens = f"{answer['input_tokens']} tokens sent and {answer['output_tokens']} received"
    line = f"{what}: at most {answer['calls']} calls, {tokens}, ${answer['estimated_cost_usd']}."
    return "\n".join([line, *verdict(answer, command)])


def verdict(answer: Json, command: str) -> list[str]:
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


def hits(answer: Json) -> str:
    """Ranked passages with their place."""
    if not answer["hits"]:
        return "Nothing found."
    return "\n\n".join(
        f"{rank}. {' > '.join([hit['title'], *hit['heading']])}  ({hit['score']:.4f})\n"
        f"   {_place(hit)}\n   {_excerpt(hit['text'])}"
        for rank, hit in enumerate(answer["hits"], start=1)
    )


def answer(answer: Json) -> str:
    """The answer, its sources, and what produced it."""
    sources = [
        f"  [{cited['marker']}] {cited['title']}: {_place(cited)}" for cited in answer["citations"]
    ]
    how = "extracted from the documents"
    if not answer["problems"]:
        how += "; no chat model is configured"
    if answer["model"] != "extractive":
        how = f"by {answer['model']}"
    if answer["cached_from"]:
        how += (
            f'; given before to "{answer["cached_question"]}", cosine {answer["cosine"]:.3f}, '
            f"trace {answer['cached_from']}"
        )
    parts = [answer["answer"], *(["Sources:", *sources] if sources else [])]
    parts += [f"Note: {problem}" for problem in answer["problems"]]
    parts.append(
        f"({how}; index {answer['index']}; ${answer['cost_usd']}; trace {answer['trace_id']})"
    )
    return "\n".join(parts)


def status(answer: Json) -> str:
    """What the lake holds."""
    last = answer["last_sync"]
    return "\n".join(
        [
            f"Source      {' '.join(answer['source'])}",
            f"Lake        {answer['lake']}",
            f"Live index  {answer['live_index'] or 'none yet: run `python -m include sync`'}",
            f"Documents   {answer['documents']}  {_aside(answer)}",
            f"Chunks      {answer['chunks']}  ({answer['embeddings']} embeddings cached)",
            f"Last sync   {last['finished_at'] if last else 'never'}",
            f"Spent today ${answer['spend_today_usd']}",
            *(f"Alert       {each['message']}" for each in answer["alerts"]),
        ]
    )


def duplicates(answer: Json) -> str:
    """One paragraph a group: how alike, then the documents."""
    if not answer["groups"]:
        return f"No two documents are alike by {answer['threshold']} or more."
    return "\n\n".join(
        "\n".join(
            [f"{group['likeness']:.2f}", *(f"  {unquote(d['uri'])}" for d in group["documents"])]
        )
        for group in answer["groups"]
    )


def verification(answer: Json) -> str:
    """One line a kind of problem, its first subjects, and what remains to be done."""
    checked = ", ".join(f"{count} {name}" for name, count in answer["checked"].items())
    lines = [f"Checked {checked} in {answer['seconds']} s."]
    for kind, count in answer["counts"].items():
        found = [each for each in answer["problems"] if each["kind"] == kind]
        left = answer["unrepaired"].get(kind, 0)
        state = f"{left} not repaired" if left else "repaired"
        lines.append(f"{kind}: {count}, {state}{' (a note)' if found[0]['note'] else ''}")
        lines += [f"  {unquote(each['subject'])}: {each['detail']}" for each in found[:_SHOWN]]
        lines += [f"  … and {count - _SHOWN} more; --json lists them"] * (count > _SHOWN)
    if not answer["counts"]:
        lines.append("No problem was found.")
    if answer["sync_needed"]:
        lines.append("Now run `python -m include sync`: it completes the repair.")
    elif answer["unrepaired"]:
        lines.append("`python -m include verify --repair` puts right what can be.")
    return "\n".join(lines)


def indexes(answer: Json) -> str:
    """One line an index."""
    if not answer["indexes"]:
        return "No index yet: run `python -m include sync`."
    return "\n".join(map(_index, answer["indexes"]))


def _index(entry: Json) -> str:
    lacks = f"  lacks {entry['missing']} documents" if entry["missing"] else ""
    return f"{entry['state']:<10} {entry['name']}{lacks}"


def quarantine(answer: Json) -> str:
    """One line a document."""
    if decision := answer.get("decision"):
        count = len(answer["items"])
        return f"{count} marked '{decision}': the next sync carries it out."
    if not answer["items"]:
        return "Nothing is in quarantine."
    return "\n".join(_quarantined(answer["items"]))


def erasure(answer: Json) -> str:
    """What left, what the probes found, and what is to be done if something is left."""
    removed = ", ".join(f"{count} {name}" for name, count in answer["removed"].items() if count)
    scan, known = answer["scan"], "" if answer["known"] else "No such document is known. "
    lines = [
        f"{known}Removed: {removed or 'nothing'}.",
        f"Searched {len(answer['removed'])} places; read {scan['files']} files, "
        f"{scan['table_versions']} table versions and {scan['artifacts']} artifacts for "
        f"{len(answer['snippet_hashes'])} snippets: found in {scan['found']}.",
    ]
    lines += [
        f"Run {name} may still need it: erase again when it ended, or add --unfinished-runs."
        for name in answer["kept_runs"]
    ]
    if any(each["unfinished"] for each in answer["purged"].values()):
        lines.append("Files of interrupted writes are younger than an hour: erase again later.")
    lines.append(
        f"Receipt erasures/{answer['erasure_id']}.json: "
        f"{'nothing is left' if answer['clean'] else 'NOT CLEAN'}."
    )
    return "\n".join(lines)


def evaluation(answer: Json) -> str:
    """The metrics, against the baseline if there is one."""
    baseline = answer["baseline"] or {}
    lines = [
        f"{name:<12} {value:.4f}"
        + (f"  (baseline {baseline[name]:.4f})" if name in baseline else "")
        + _beyond((answer["differences"] or {}).get("metrics", {}).get(name))
        for name, value in answer["metrics"].items()
    ]
    lines += [f"- {each}" for each in answer["reasons"]]
    if traffic := answer.get("traffic"):
        lines.append(f"{traffic['queries']} real queries: {traffic['note']}")
        lines += [f"  {each['queries']} × {each['text']!r}" for each in traffic["suggestions"]]
    lines += _options(answer.get("options", []))
    lines += [f"Report: {answer['report']}"] if "report" in answer else []
    return "\n".join(
        [*lines, f"Verdict: {answer['verdict']} over {answer['questions']} questions."]
    )


def _options(tried: Sequence[Json]) -> list[str]:
    if not tried:
        return []
    head = ("option", "B/chunk", "MB", "recall", "nDCG@10", "change", "p50 ms")
    rows = [
        (
            each["option"] + " (now)" * each["now"],
            f"{each['bytes_per_chunk']:.0f}",
            f"{each['bytes'] / 1e6:.2f}",
            f"{each['index_recall@10']:.3f}",
            f"{each['ndcg@10']:.4f}",
            f"{each['differences']['ndcg@10']['mean']:+.4f}",
            f"{each['latency']['p50_ms']:.1f}",
        )
        for each in tried
    ]
    return ["", *_aligned(head, *rows), "", *(each["command"] for each in tried if each["command"])]


def golden(answer: Json) -> str:
    """What was written, for people."""
    return (
        f"{answer['questions']} synthetic questions about {answer['documents']} documents in "
        f"{answer['out']}: {answer['by_tag']['title']} from titles, {answer['by_tag']['heading']} "
        f"from headings. They tell a broken index from a sound one; replace them by real questions."
    )


def comparison(answer: Json) -> str:
    """One line a strategy and size."""
    head = ("strategy", "size", "chunks", "mean tokens", "tokens embedded", "new texts",
            "nDCG@10", "recall@10", "MRR@10", "est. cost")  # fmt: skip
    rows = [
        (
            each["strategy"],
            *(f"{each[name]:,}" for name in ("tokens", "chunks", "mean_tokens")),
            *(f"{each[name]:,}" for name in ("tokens_embedded", "new_texts")),
            *(f"{each[name]:.4f}" for name in ("ndcg@10", "recall@10", "mrr@10")),
            f"${each['estimated_cost_usd']}",
        )
        for each in answer["strategies"]
    ]
    about = f"{answer['documents']} documents, {answer['questions']} questions, {answer['mode']}."
    return "\n".join([*_aligned(head, *rows), about])


def _aligned(*rows: Sequence[str]) -> list[str]:
    """Lines of columns: the first one to the left, numbers to the right."""
    first, *widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(first), *map(str.rjust, row[1:], widths)]).rstrip() for row in rows
    ]


_SHOWN = 5
_CLASSES = ("added", "changed", "moved", "copied", "metadata", "removed")


def _beyond(difference: Json | None) -> str:
    if difference is None:
        return ""
    return f"  {difference['mean']:+.4f} [{difference['low']:+.4f}, {difference['high']:+.4f}]"


def _withheld(count: int) -> str:
    return (
        f"{count} documents are gone from the source, more than max_delete_fraction allows: they "
        f"stay searchable. If the deletion is intended, add --allow-deletions."
    )


def _place(cited: Json) -> str:
    return f"{unquote(cited['uri'])} [{cited['start']}:{cited['end']}]"


def _aside(answer: Json) -> str:
    if not answer["quarantined"]:
        return f"({answer['near_duplicates']} near-duplicates, 0 quarantined)"
    return (
        f"({answer['near_duplicates']} near-duplicates, {answer['quarantined']} quarantined: "
        f"{answer['undecided']} undecided, {answer['outdated']} searchable in an older version)"
    )


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 240 else line[:240].rsplit(" ", 1)[0] + " …"


def _quarantined(items: Iterable[Json]) -> Iterable[str]:
    for item in items:
        notes = [f"since {item['since'][:16]}", f"{item['tries']} tries", f"id {item['id']}"]
        notes += ["an older version is searchable"] * item["has_old_version"]
        notes += [f"decided: {item['decision']}"] * bool(item["decision"])
        yield f"{item['reason']:<20} {unquote(item['uri'])}\n  {item['detail']} ({'; '.join(notes)})"
