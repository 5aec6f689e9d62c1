"""Passages that were found, and answers with their sources."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

Json = dict[str, Any]


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


def _place(cited: Json) -> str:
    return f"{unquote(cited['uri'])} [{cited['start']}:{cited['end']}]"


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 240 else line[:240].rsplit(" ", 1)[0] + " …"
