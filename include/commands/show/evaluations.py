"""What evaluations measured: metrics, options of an index, strategies of chunking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


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


def _beyond(difference: Json | None) -> str:
    if difference is None:
        return ""
    return f"  {difference['mean']:+.4f} [{difference['low']:+.4f}, {difference['high']:+.4f}]"


def _aligned(*rows: Sequence[str]) -> list[str]:
    """Lines of columns: the first one to the left, numbers to the right."""
    first, *widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(first), *map(str.rjust, row[1:], widths)]).rstrip() for row in rows
    ]
