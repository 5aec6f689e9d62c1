"""Measures how real queries lie against golden questions, from the log of queries.

Queries are embedded through a cache of their own, within the budgets, and only a bounded sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from include.chunking import Tokenizer
from include.documents import digest
from include.embedding.protocol import Embedder, EmbedderIdentity, FloatArray
from include.errors import PlatformError
from include.evaluation.representing import Suggestion, Traffic
from include.evaluation.traffic import FEWEST, Distances, answered, compare
from include.indexes import of_index, searcher
from include.retrieval.search import MODES
from include.storage.query_log import LoggedQuery
from include.wiring import Platform

DAYS = 30
MOST_QUERIES = 2_000
_GOLDEN_SEARCHED = 200
_SEED = "queries"


def measure(
    platform: Platform, questions: Sequence[str], *, index: str | None = None, days: int = DAYS
) -> Traffic | None:
    """The queries of the last days against these questions; None where none was logged.

    `index` is whose model embeds and whose scores are compared, by default the live one's. What
    cannot be embedded, for a budget or an API that is down, is told as a problem: it fails nothing.
    """
    since = datetime.now(UTC).date() - timedelta(days=days - 1)
    logged = list(platform.query_log.queries(since))
    if not logged:
        return None
    name = index or platform.live_index()
    found = Traffic(
        days=days,
        golden=len(questions),
        answered=answered([(each.mode, each.top_score) for each in logged], {}),
        different=len({each.hash for each in logged if each.text}),
        compared=0,
    )
    if not found.different:
        return replace(found, problem=(
            "How far queries are from the golden questions cannot be told: only hashes of them "
            "were logged (RAG_QUERY_LOG=text keeps their words)."))  # fmt: skip
    try:
        return _compared(platform, name, found, logged, list(questions))
    except PlatformError as error:
        problem = f"How far queries are from the golden questions was not measured: {error}"
        return replace(found, problem=problem)


def _compared(
    platform: Platform,
    name: str,
    found: Traffic,
    logged: Sequence[LoggedQuery],
    questions: list[str],
) -> Traffic:
    ours = of_index(platform, name)
    texts = _sampled(logged, ours.tokenizer)
    wanted = list(dict.fromkeys([*texts.values(), *questions]))
    ours.require_approval(sum(map(ours.tokenizer.count, wanted)) if _is_paid(ours) else 0)
    vectors = dict(zip(wanted, _unit(ours.query_embedder.embed_documents(wanted)), strict=True))
    golden = np.stack([vectors[text] for text in dict.fromkeys(questions)])
    if len(golden) < 2 or not texts:
        return replace(found, problem="There is too little to compare: one question, or one query.")
    times = Counter(each.hash for each in logged)
    rows = np.stack([vectors[text] for text in texts.values()])
    distances = compare(rows, [times[each] for each in texts], golden)
    scores = _golden_scores(platform, name, logged, {q: vectors[q] for q in questions})
    return replace(
        found,
        compared=len(texts),
        distances=distances,
        suggestions=_suggestions(distances, list(texts.items())),
        answered=answered(
            [(each.mode if each.index == name else "", each.top_score) for each in logged], scores
        ),
    )


def _sampled(logged: Sequence[LoggedQuery], tokenizer: Tokenizer) -> dict[str, str]:
    """At most so many different texts by hash, the same ones each time, whatever their order.

    What the model cannot read whole is left out: whoever pastes pages asks no golden question.
    """
    texts = {
        each.hash: each.text
        for each in logged
        if each.text.strip() and tokenizer.count(each.text) <= tokenizer.limit
    }
    chosen = sorted(texts, key=lambda name: digest(_SEED, name))[:MOST_QUERIES]
    return {name: texts[name] for name in chosen}


def _suggestions(found: Distances, texts: Sequence[tuple[str, str]]) -> tuple[Suggestion, ...]:
    return tuple(
        Suggestion(*texts[topic.at], topic.queries, round(topic.distance, 4))
        for topic in found.topics
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """An Embedder of questions whose vectors are known."""

    identity: EmbedderIdentity
    vectors: Mapping[str, NDArray[np.float32]]

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        return np.stack([self.vectors[text] for text in texts])

    def embed_query(self, text: str) -> FloatArray:
        return self.vectors[text]


def _golden_scores(
    platform: Platform,
    name: str,
    logged: Sequence[LoggedQuery],
    vectors: Mapping[str, NDArray[np.float32]],
) -> dict[str, list[float]]:
    """The golden questions' best scores in the modes that people searched this index in."""
    times = Counter(each.mode for each in logged if each.index == name)
    found: dict[str, list[float]] = {}
    within = searcher(platform, name)
    known: Embedder = _Known(within.embedder.identity, vectors)
    asked = list(vectors)[:_GOLDEN_SEARCHED]
    for mode in MODES:
        if times[mode] >= FEWEST:
            hits = replace(within, embedder=known).search_all(asked, 1, mode=mode)
            found[mode] = [each[0].score for each in hits if each]
    return found


def _is_paid(platform: Platform) -> bool:
    return platform.settings.embedding.provider == "openai"


def _unit(vectors: FloatArray) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit
