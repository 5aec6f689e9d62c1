"""The passages that a chat model is to be asked about: drawn evenly, once each, and priced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from include.documents import digest
from include.errors import ApprovalError
from include.golden.checks import is_askable
from include.golden.sampling import sample
from include.llm.protocol import ChatRequest
from include.llm.rendered import chat_messages, named
from include.prompts.library import Prompt
from include.spending.forecast import Estimate
from include.storage.artifacts import Artifacts
from include.storage.scans import ROW, Scan
from include.wiring import Platform

Json = dict[str, Any]
PROMPT = "generate_questions"
ARTIFACT = "passages"
PER_PASSAGE = 2
OUTPUT_TOKENS = 800
_LOOKED_AT = 200
_CHUNKS = "chunks_"
_TEXTS = ["id", "document_id", "title", "heading", "text", "text_hash"]
# `name` is the passage's in the table `golden_passages`, `before` when it was set aside there.
_PASSAGES = pl.Schema(
    {name: pl.String() for name in ("name", "document_id", "title", "text", "relevant", "before")}
    | {"heading": pl.List(pl.String())}
)


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be asked: passages, and the tokens and US dollars that this takes at most."""

    passages: int
    tokens: int
    cost_usd: Decimal


def plan(
    platform: Platform, artifacts: Artifacts, *, most: int, seed: int, again: bool = False
) -> Work:
    """Draws at most so many passages that were not asked about, and prices them; pays nothing.

    `again` draws those, too, that gave no usable reply.
    """
    prompt = platform.prompts.find(PROMPT)
    rows = []
    for row in _askable(_Drawing(platform, prompt, again), seed) if most > 0 else ():
        rows.append(row)
        if len(rows) == most:
            break
    artifacts.write(ARTIFACT, pl.DataFrame(rows, schema=_PASSAGES))
    priced, chat = Estimate(), platform.chat_model
    if chat is not None:
        tries = (OUTPUT_TOKENS, 2 * OUTPUT_TOKENS)  # a reply that cannot be used is asked for again
        asked = (request(prompt, row, tokens) for row in rows for tokens in tries)
        priced = sum(map(chat.most, asked), Estimate())
    return Work(len(rows), priced.input_tokens + priced.output_tokens, priced.cost_usd)


def require_approval(work: Work, platform: Platform) -> None:
    """Raises ApprovalError when so much is for a person to decide."""
    limit = platform.settings.budgets.approval_usd
    if limit is not None and work.cost_usd > limit:
        raise ApprovalError(
            f"Asking about {work.passages} passages costs up to {work.cost_usd:f} USD; without "
            f"approval a run may spend {limit:f} (approval_usd of Variable rag_budgets). Nothing "
            f"was paid. Approve it with --approve-usd {work.cost_usd:f}, or in Airflow, where "
            f"review_golden asks; or take fewer with --most."
        )


def request(prompt: Prompt, row: Json, tokens: int = OUTPUT_TOKENS) -> ChatRequest:
    """What a model is asked about a passage."""
    values = {"title": row["title"], "heading": list(row["heading"]), "text": row["text"]}
    rendered = prompt.render(values | {"count": PER_PASSAGE})
    return ChatRequest(
        chat_messages(rendered), named(rendered), max_output_tokens=tokens,
        operation=PROMPT, document=row["document_id"], fresh=bool(row["before"]),
    )  # fmt: skip


class _Drawing:
    """The chunks of the live index, and which of their texts were asked about."""

    def __init__(self, platform: Platform, prompt: Prompt, again: bool) -> None:
        self._kind = (prompt.version.text.hash, platform.settings.chat_model)
        self.scan = Scan.of(platform.database, _CHUNKS + platform.live_index())
        held = platform.tables.golden_passages.read(["name", "reason", "at"])
        self._before = {row["name"]: row for row in held.iter_rows(named=True)}
        self._again = again

    def name(self, text: str) -> str:
        """Text, prompt and models: a rename, a copy or another title is no reason to pay again."""
        return digest("golden passage", text, *self._kind)

    def is_known(self, text: str) -> bool:
        """Whether nobody is to ask about it again."""
        row = self._before.get(self.name(text))
        return row is not None and not (self._again and row["reason"])

    def before(self, text: str) -> str:
        """When it was set aside; "" when it was not."""
        row = self._before.get(self.name(text))
        return row["at"].isoformat() if row else ""


def _askable(drawing: _Drawing, seed: int) -> Iterator[Json]:
    """Passages in the order in which they are drawn."""
    if drawing.scan is None:
        return
    chunks = drawing.scan.frame(["id", "document_id", "text_hash", "uri"])
    places = {text: (documents, uris) for text, documents, uris in _places(chunks).iter_rows()}
    known = pl.Series([text for text in places if drawing.is_known(text)], dtype=pl.String)
    for part in sample(chunks, known, chunks.height, seed).iter_slices(_LOOKED_AT):
        texts = pl.DataFrame(pl.from_arrow(drawing.scan.take(part[ROW].to_list(), _TEXTS)))
        rows = part.select("id").join(texts, on="id", maintain_order="left")
        for row in rows.iter_rows(named=True):
            documents, uris = places[row["text_hash"]]
            if is_askable(row["text"], documents):
                yield {
                    **{key: row[key] for key in ("document_id", "title", "text", "heading")},
                    "name": drawing.name(row["text_hash"]),
                    "relevant": json.dumps(dict.fromkeys(sorted(uris), 1.0), ensure_ascii=False),
                    "before": drawing.before(row["text_hash"]),
                }


def _places(chunks: pl.DataFrame) -> pl.DataFrame:
    """Each text once: in how many documents it stands, and their addresses."""
    of_text = pl.col("document_id").n_unique(), pl.col("uri").unique()
    return chunks.group_by("text_hash").agg(*of_text)
