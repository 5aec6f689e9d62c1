"""What a run will do and cost, before it does it. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from itertools import pairwise

import numpy as np
import polars as pl

# Deleting this few documents is everyday work, even where they are half of a small source.
_EVERYDAY_DELETIONS = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """Counts of documents by what happens to them, and what that means in chunks and money.

    `chunks` counts those of all documents that are read; `chunks_to_embed` those of them whose
    text no vector is cached for. `held` are in quarantine and unchanged, `rejected` go there in
    this run. `deletions_withheld` counts removed documents that wait for a person's approval.
    """

    added: int = 0
    changed: int = 0
    moved: int = 0
    copied: int = 0
    metadata: int = 0
    touched: int = 0
    removed: int = 0
    unchanged: int = 0
    held: int = 0
    rejected: int = 0
    chunks: int = 0
    chunks_to_embed: int = 0
    tokens_to_embed: int = 0
    estimated_cost_usd: Decimal = Decimal(0)
    deletions_withheld: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether carrying it out would write nothing, not even to the manifest."""
        busy = (self.added, self.changed, self.moved, self.copied, self.metadata, self.touched)
        return not any((*busy, self.removed - self.deletions_withheld, self.rejected))

    def to_json(self) -> dict[str, int | str]:
        """Every count by its name, and the cost as a plain decimal string."""
        return asdict(self) | {"estimated_cost_usd": f"{self.estimated_cost_usd:f}"}


def withhold_deletions(
    removed: int, total: int, *, max_delete_fraction: float, listed: int
) -> bool:
    """Whether `removed` of the manifest's `total` documents wait until a person allows it.

    A source that suddenly lists nothing, or lost more than its share, is more often an unmounted
    disk or a wrong prefix than a decision. Three documents or fewer never wait while something
    is still listed: in a folder of five, deleting three is everyday work and cheap to undo, and
    asking about it teaches people to allow everything. Moved documents do not count as removed.
    """
    if removed == 0:
        return False
    if listed == 0:
        return True
    return removed > max(_EVERYDAY_DELETIONS, max_delete_fraction * total)


def batches(tokens: pl.Series, *, max_tasks: int, target_tokens: int) -> list[tuple[int, int]]:
    """Cuts texts with these token counts, in their order, into batches of about equal sums.

    Returns `(start, stop)` positions that cover all texts: at most `max_tasks` batches, whatever
    the size, each of at least `target_tokens` tokens unless it is the only one. Sort the texts by
    length first, so that those of a batch pad each other little. No texts give no batches.
    """
    if tokens.is_empty():
        return []
    counts = tokens.to_numpy().astype(np.int64)
    sums = counts.cumsum()
    total = int(sums[-1])
    # A batch misses its equal share by less than the longest text, so shares that hold both keep
    # every batch at target_tokens or above.
    number = max(1, min(max_tasks, total // (target_tokens + int(counts.max()) + 1)))
    shares = [total * share // number for share in range(1, number)]
    cuts = [0, *(np.searchsorted(sums, shares) + 1).tolist(), len(counts)]
    return list(pairwise(cuts))
