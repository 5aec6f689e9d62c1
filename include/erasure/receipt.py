"""The receipt of an erasure: where was searched, what left, what the probes found. Holds no text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from include.erasure.probe import Scanned, Searched
from include.storage.history import Purged

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one erasure did and proved.

    `uri_hash` is the digest of the address, `snippet_hashes` those of the pieces that were looked
    for. `removed` counts rows by table and files by folder; every place that was searched has an
    entry. `kept_runs` are runs in flight that hold the document, `unused_vectors` cached vectors
    that no chunk refers to, of whatever document they were.
    """

    erasure_id: str
    uri_hash: str
    at: str
    by: str
    known: bool
    documents: int
    marked: int
    removed: Mapping[str, int]
    purged: Mapping[str, Purged]
    kept_runs: tuple[str, ...]
    unused_vectors: int
    shared_texts: int
    snippet_hashes: tuple[str, ...]
    searches: tuple[Searched, ...]
    scan: Scanned
    seconds: float

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left, as far as the probes can tell."""
        unfinished = sum(each.unfinished for each in self.purged.values())
        found = sum(each.found for each in self.searches) + self.scan.found
        return not (found or unfinished or self.kept_runs)

    def as_json(self) -> Json:
        """The receipt as JSON values, `clean` among them."""
        return {**asdict(self), "clean": self.is_clean}
