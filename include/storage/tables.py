"""The lake's own tables: which documents are indexed, their extracted texts, and the set-aside.

`documents` is the manifest: one row per document whose chunks are in the index. `texts` is
content-addressed by the hash of the extracted text, and so are their `signatures`. `quarantine` holds what could not be indexed
and why. The names `documents` and `quarantine` are contract.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from include.storage.lance import KeyedTable, LanceDatabase

_MOMENT = pa.timestamp("us", tz="UTC")


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


# `id` is `documents.document_id(source, key)`, `file_id` that of the listed file: the same, unless the
# file holds records, each of which is a document. `content_hash` covers the file's bytes, `text_hash`
# the extracted text (the key of TEXTS), `metadata_hash` the metadata. `metadata` is a JSON object,
# `size` is in bytes, `tokens` are the embedder's, summed over `chunks` chunks.
DOCUMENTS = _schema(
    id=pa.string(),
    file_id=pa.string(),
    source=pa.string(),
    key=pa.string(),
    uri=pa.string(),
    stamp=pa.string(),
    sidecar_stamp=pa.string(),
    content_hash=pa.string(),
    text_hash=pa.string(),
    metadata_hash=pa.string(),
    version=pa.string(),
    title=pa.string(),
    media_type=pa.string(),
    language=pa.string(),
    metadata=pa.string(),
    size=pa.int64(),
    modified=_MOMENT,
    chunks=pa.int32(),
    tokens=pa.int64(),
    first_ingested=_MOMENT,
    ingested=_MOMENT,
    run_id=pa.string(),
)

# `blocks` are `documents.Block`s, ordered, with character offsets into `text`.
BLOCKS = pa.list_(
    pa.struct(
        [
            pa.field("kind", pa.string()),
            pa.field("start", pa.int32()),
            pa.field("end", pa.int32()),
            pa.field("level", pa.int8()),
        ]
    )
)
# `pages` are the offsets at which pages begin; empty for formats without any.
TEXTS = _schema(
    text_hash=pa.string(), text=pa.large_string(), blocks=BLOCKS, pages=pa.list_(pa.int32())
)

# `method` names how `signature` was made of the text (`include.duplicates`).
SIGNATURES = _schema(text_hash=pa.string(), method=pa.string(), signature=pa.binary())

# `id` is the document's id; `stage`, `reason` and `detail` are those of the DocumentError.
QUARANTINE = _schema(
    id=pa.string(),
    file_id=pa.string(),
    uri=pa.string(),
    source=pa.string(),
    key=pa.string(),
    stamp=pa.string(),
    sidecar_stamp=pa.string(),
    version=pa.string(),
    stage=pa.string(),
    reason=pa.string(),
    detail=pa.string(),
    first_seen=_MOMENT,
    last_seen=_MOMENT,
    tries=pa.int32(),
    run_id=pa.string(),
)

# What a person decided about one version of a document in quarantine: `decision` is `release`,
# `keep` or `drop`; `by` names the person, as far as it is known.
REVIEWS = _schema(
    id=pa.string(), version=pa.string(), decision=pa.string(), by=pa.string(), at=_MOMENT
)

# What was erased although it is still at the source: `id` is the document's (or its file's),
# `version` names its exact content ("" where another document has the same), `uri_hash` its place.
ERASURES = _schema(
    id=pa.string(), version=pa.string(), uri_hash=pa.string(), by=pa.string(), at=_MOMENT
)

# What a chat model filled in about a text: `name` is made of the text, the prompt's version and the
# models, `state` is `accepted`, `review`, `rejected` or `set_aside`, `values` a JSON object that
# `values_id` names.
ENRICHMENTS = _schema(
    name=pa.string(),
    text_hash=pa.string(),
    state=pa.string(),
    values=pa.string(),
    values_id=pa.string(),
    confidence=pa.float64(),
    model=pa.string(),
    prompt_version=pa.string(),
    prompt_hash=pa.string(),
    cost_usd=pa.string(),
    reason=pa.string(),
    by=pa.string(),
    at=_MOMENT,
)

# What an evaluation found: `against` is the index it was compared with ("" without one), `metrics`,
# `reasons` and `report` are JSON; `questions_hash` names the questions and their grades.
EVALUATIONS = _schema(
    id=pa.string(),
    at=_MOMENT,
    index=pa.string(),
    against=pa.string(),
    mode=pa.string(),
    questions=pa.int32(),
    questions_hash=pa.string(),
    metrics=pa.string(),
    verdict=pa.string(),
    reasons=pa.string(),
    report=pa.string(),
)

# Questions for the golden set: `state` is `waiting`, `accepted` or `rejected`. `relevant` is a JSON
# object of addresses and grades, `passage` what answers the question, a part of `document_id`.
GOLDEN = _schema(
    id=pa.string(),
    state=pa.string(),
    question=pa.string(),
    answer=pa.string(),
    passage=pa.string(),
    document_id=pa.string(),
    relevant=pa.string(),
    tags=pa.list_(pa.string()),
    by=pa.string(),
    at=_MOMENT,
)

# Passages that a model was asked about: `name` is made of the text, the prompt's version and the
# models. `kept` questions were worth a person's look; `dropped` counts the others by reason (JSON).
GOLDEN_PASSAGES = _schema(
    name=pa.string(),
    document_id=pa.string(),
    kept=pa.int32(),
    dropped=pa.string(),
    reason=pa.string(),
    model=pa.string(),
    prompt_version=pa.string(),
    prompt_hash=pa.string(),
    cost_usd=pa.string(),
    at=_MOMENT,
)


@dataclass(frozen=True, slots=True)
class Tables:
    """The lake's tables in one database."""

    database: LanceDatabase

    @property
    def documents(self) -> KeyedTable:
        """The manifest, keyed by document id."""
        return self.database.table("documents", DOCUMENTS, "id")

    @property
    def texts(self) -> KeyedTable:
        """Extracted texts with their blocks, keyed by the text's hash; rows never change."""
        return self.database.table("texts", TEXTS, "text_hash")

    @property
    def signatures(self) -> KeyedTable:
        """What near-duplicates are found by, keyed by the text's hash."""
        return self.database.table("signatures", SIGNATURES, "text_hash")

    @property
    def quarantine(self) -> KeyedTable:
        """Documents set aside with a reason, keyed by document id."""
        return self.database.table("quarantine", QUARANTINE, "id")

    @property
    def reviews(self) -> KeyedTable:
        """People's latest decisions about documents in quarantine, keyed by document id."""
        return self.database.table("reviews", REVIEWS, "id")

    @property
    def erasures(self) -> KeyedTable:
        """What must not come back, keyed by document id."""
        return self.database.table("erasures", ERASURES, "id")

    @property
    def enrichments(self) -> KeyedTable:
        """What chat models filled in about texts, keyed by text, prompt and models."""
        return self.database.table("enrichments", ENRICHMENTS, "name")

    @property
    def evaluations(self) -> KeyedTable:
        """What evaluations found, keyed by the run that made them."""
        return self.database.table("evaluations", EVALUATIONS, "id")

    @property
    def golden(self) -> KeyedTable:
        """Questions for the golden set, and what people decided about them, keyed by their id."""
        return self.database.table("golden", GOLDEN, "id")

    @property
    def golden_passages(self) -> KeyedTable:
        """Passages that a model was asked about, keyed by text, prompt and models."""
        return self.database.table("golden_passages", GOLDEN_PASSAGES, "name")
