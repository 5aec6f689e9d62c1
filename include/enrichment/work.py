"""The texts that are to be described: found, described in batches, reviewed.

A row is written as soon as a text is described, so that a run that is killed pays for no text twice.
A text that cannot be described is set aside with a reason; it stops no other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from include.documents import digest
from include.enrichment.describing import PROMPT, Describer, Outcome
from include.errors import BudgetError
from include.observability.log import stage
from include.prompts.library import Prompt
from include.stages.enriched import stale
from include.storage.artifacts import Artifacts
from include.wiring import Platform

Json = dict[str, Any]
SMALLEST_BATCH = 20
OFF = (
    "No document is described: set RAG_ENRICH_MODELS (the cheap model first) and RAG_CHAT_MODEL. "
    "Nothing was spent."
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some of the texts of a run."""

    label: str
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a batch, by state; `open` are texts that a budget left undescribed."""

    accepted: int = 0
    review: int = 0
    set_aside: int = 0
    known: int = 0
    open: int = 0
    stopped: str = ""


def is_on(platform: Platform) -> bool:
    """Whether models are named for it. Nothing is described, or paid, unasked."""
    return "none" not in (platform.settings.enrich_models, platform.settings.chat_model)


def plan(
    platform: Platform, artifacts: Artifacts, *, most: int, again: bool = False
) -> list[Batch]:
    """Cuts the texts that this prompt and these models have not described into bounded batches.

    At most so many texts; `again` takes those that were set aside as well.
    """
    prompt = platform.prompts.find(PROMPT)
    texts = platform.tables.documents.read(["text_hash"])["text_hash"].unique().sort()
    names = pl.DataFrame({"text_hash": texts}).with_columns(
        name=pl.Series([_name(platform, prompt, each) for each in texts], dtype=pl.String())
    )
    known = platform.tables.enrichments.read(["name", "state"])
    failed = pl.col("state") == "set_aside" if again else pl.lit(value=False)
    missing = names.join(known.filter(~failed), on="name", how="anti").head(most)
    before = known.filter(failed)["name"].implode()
    missing = missing.with_columns(again=pl.col("name").is_in(before))
    artifacts.write("texts", missing)
    size = max(SMALLEST_BATCH, -(-missing.height // platform.settings.max_mapped_tasks))
    return [
        Batch(f"{at + 1}-{min(at + size, missing.height)}", at, min(size, missing.height - at))
        for at in range(0, missing.height, size)
    ]


def describe_batch(
    platform: Platform,
    batch: Batch,
    artifacts: Artifacts,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Done:
    """Describes these texts. A budget that is used up ends the batch; what was paid for is kept.

    Raises TransientError when no model is to be had: the next try goes on with what is missing.
    """
    rows = artifacts.read(artifacts.list("texts"))[batch.first : batch.first + batch.count]
    prompt = platform.prompts.get(PROMPT)
    # The prompt may have changed since the plan: a description is known by the one that made it.
    names = [_name(platform, prompt, each) for each in rows["text_hash"]]
    rows = rows.with_columns(name=pl.Series(names, dtype=pl.String()))
    describer, done = Describer(models_of(platform), prompt), Done()
    anew = replace(describer, fresh=True)
    with stage("enrich", batch=batch.label) as event:
        known = _states(platform, rows["name"].to_list())
        for row in rows.iter_rows(named=True):
            texts = platform.tables.texts.lookup([row["text_hash"]], ["text"])
            if row["name"] in known or texts.is_empty():
                done = replace(done, known=done.known + 1)
                continue
            try:
                asked = anew if row["again"] else describer  # a bad reply that is stored stays bad
                outcome = asked.describe(texts["text"][0], row["text_hash"])
            except BudgetError as error:
                counted = done.accepted + done.review + done.set_aside + done.known
                done = replace(done, open=batch.count - counted, stopped=str(error))
                break
            _keep(platform, row, outcome, prompt)
            done = replace(done, **{outcome.state: getattr(done, outcome.state) + 1})
            on_progress(1)
        event |= {name: value for name, value in asdict(done).items() if name != "stopped"}
    return done


def waiting(platform: Platform, most: int) -> list[Json]:
    """What a person has to decide about: each row with the address of a document, oldest first."""
    rows = platform.tables.enrichments.read(None, {"state": "review"}).sort("at", "name").head(most)
    places = platform.tables.documents.read(
        ["text_hash", "uri"], {"text_hash": rows["text_hash"].to_list()}
    )
    first = places.sort("uri").unique("text_hash", keep="first")
    return rows.join(first, on="text_hash", maintain_order="left").to_dicts()


def decide(platform: Platform, decisions: Sequence[tuple[str, bool]], by: str) -> int:
    """Accepts or rejects descriptions by name; how many of them still waited."""
    table = platform.tables.enrichments
    rows = table.lookup([name for name, _ in decisions]).filter(pl.col("state") == "review")
    chosen = {name: "accepted" if yes else "rejected" for name, yes in decisions}
    table.upsert(
        rows.with_columns(
            state=pl.col("name").replace_strict(chosen, return_dtype=pl.String()),
            by=pl.lit(by),
            at=pl.lit(datetime.now(UTC)).dt.cast_time_unit("us"),
        )
    )
    return rows.height


def to_apply(platform: Platform) -> int:
    """How many documents the next ingestion writes again, embedding nothing."""
    return len(stale(platform.tables))


def finish(platform: Platform, artifacts: Artifacts) -> int:
    """Ends the run: nobody will read what it wrote. `to_apply`."""
    count = to_apply(platform)
    artifacts.write_json("receipt", {"run_id": artifacts.run_id, "to_apply": count})
    return count


def _states(platform: Platform, names: Sequence[str]) -> set[str]:
    held = platform.tables.enrichments.lookup(names, ["name", "state"])
    return set(held.filter(pl.col("state") != "set_aside")["name"])


def _keep(platform: Platform, row: Json, outcome: Outcome, prompt: Prompt) -> None:
    described = outcome.described
    values = described.values() if described else {}
    text = json.dumps(values, ensure_ascii=False, sort_keys=True)
    kept = {
        "name": row["name"],
        "text_hash": row["text_hash"],
        "state": outcome.state,
        "values": text,
        "values_id": digest("enrichment", text)[:16],
        "confidence": described.confidence if described else 0.0,
        "model": outcome.model,
        "prompt_version": prompt.version.version,
        "prompt_hash": prompt.version.text.hash,
        "cost_usd": f"{outcome.cost_usd:f}",
        "reason": outcome.reason,
        "by": "",
        "at": datetime.now(UTC),
    }
    frame = pl.DataFrame([kept]).with_columns(pl.col("at").dt.cast_time_unit("us"))
    platform.tables.enrichments.upsert(frame)


def _name(platform: Platform, prompt: Prompt, text_hash: str) -> str:
    """Text, prompt and models: a rename, a copy or new metadata is no reason to pay again."""
    models = platform.settings.enrich_models
    return digest("enrichment", text_hash, prompt.version.text.hash, models)


def models_of(platform: Platform) -> list[Any]:
    """The models of RAG_ENRICH_MODELS, the cheapest first."""
    from include.llm.opening import open_chat

    names = platform.settings.enrich_models.split(",")
    settings = platform.settings
    return [
        open_chat(replace(settings, chat_model=name), platform.remote, platform.responses)
        for name in names
    ]
