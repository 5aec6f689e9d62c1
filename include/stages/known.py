"""What the manifest and people's reviews say about the documents of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set

import polars as pl

from include.manifest import classify
from include.stages.enriched import Enrichments
from include.storage.tables import Tables

Row = dict[str, object]

_COLUMNS = (
    "id",
    "file_id",
    "content_hash",
    "text_hash",
    "metadata_hash",
    "stamp",
    "sidecar_stamp",
    "first_ingested",
)


class Known:
    """The manifest's rows of these files, and the contents around them."""

    def __init__(
        self,
        files: pl.DataFrame,
        gone: pl.DataFrame,
        unsettled: pl.DataFrame,
        tables: Tables,
        *,
        enriched: pl.DataFrame | None = None,
    ) -> None:
        manifest = tables.documents.read(_COLUMNS)
        self.total = manifest.height
        here = manifest.filter(pl.col("file_id").is_in(files["id"].implode()))
        self._rows: dict[str, Row] = {str(row["id"]): row for row in here.iter_rows(named=True)}
        self._of_file: Mapping[object, list[str]] = dict(
            here.group_by("file_id").agg("id").iter_rows()
        )
        removed = manifest.filter(pl.col("id").is_in(gone["id"].implode()))
        self._removed = Counter(removed["content_hash"])
        self._remaining = frozenset(manifest.join(removed, on="id", how="anti")["content_hash"])
        self._released = {
            (row["id"], row["version"])
            for row in tables.reviews.read(("id", "version"), {"decision": "release"}).iter_rows(
                named=True
            )
        }
        self._unsettled = frozenset(unsettled["id"])
        self._enriched = frozenset() if enriched is None else frozenset(enriched["id"])
        self._enrichments = Enrichments(tables)
        erased = tables.erasures.read(("id", "version"))
        self._erased = frozenset(erased["id"]) | frozenset(erased["version"]) - {""}

    def document(self, name: str) -> Row | None:
        """The manifest's row of a document."""
        return self._rows.get(name)

    def content(self, name: str) -> object:
        """The hash of the content that the index has for a document; None where it is not known."""
        row = self._rows.get(name)
        again = name in self._unsettled or name in self._enriched
        return row["content_hash"] if row and not again else None

    def enrichment(self, text_hash: str) -> Mapping[str, object]:
        """What a chat model filled in about a text; empty without any."""
        return self._enrichments.of(text_hash)

    def documents_of(self, file: str) -> Set[str]:
        """The ids of all documents that the manifest has of a file."""
        return frozenset(self._of_file.get(file, ()))

    def is_released(self, name: str, version: str) -> bool:
        """Whether a person said that this version may go in although a rule refuses it."""
        return (name, version) in self._released

    def is_erased(self, document: Row) -> bool:
        """Whether this place, its file, or this very content was erased while it was at the source."""
        return any(document[name] in self._erased for name in ("id", "file_id", "version"))

    def classify(self, document: Row) -> str:
        """The document's class of change; each removed document is moved once."""
        name = str(document["id"])
        prior = self._rows.get(name)
        if prior and name in self._unsettled:
            return "changed"
        change = classify(prior, document, removed=self._removed, remaining=self._remaining)
        if change == "moved":
            content = str(document["content_hash"])
            self._removed[content] -= 1
            if not self._removed[content]:
                del self._removed[content]
        return change
