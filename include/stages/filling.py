"""A fill from one process: what the index lacks is chunked, embedded and published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from include.chunking import ChunkerByMediaType
from include.embedding.cached import CachedEmbedder
from include.stages.accepted import Accepted
from include.stages.batch import Batch, ToEmbed, batch
from include.stages.destination import Destination
from include.stages.embed import embed
from include.stages.fill import Filled, Share, prepare_share, publish_share
from include.storage.artifacts import Artifacts
from include.storage.lease import Lease

Bar = Callable[[int], AbstractContextManager[Callable[[int], None] | None]]
"""Shows progress up to a total; the function that it gives hears how many more are done."""


def _no_bar(_: int) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Filler:
    """What fills one index: its chunker, its embedder behind the cache, the lease on that model.

    `embedder` takes a callback that hears how many texts are done; `require_approval` raises
    ApprovalError when embedding so many tokens is for a person to decide. `by_batch` embeds what
    it can before single calls embed the rest.
    """

    destination: Destination
    chunker: ChunkerByMediaType
    embedder: Callable[[Callable[[int], None] | None], CachedEmbedder]
    lease: Callable[[str], Lease]
    max_tasks: int
    require_approval: Callable[[int], None]
    by_batch: Callable[[Sequence[Batch], Artifacts], object] | None = None

    def fill(self, work: Share, artifacts: Artifacts, bar: Bar = _no_bar) -> Filled:
        """Does the share in this process: embeds what no other run embeds meanwhile."""
        accepted = prepare_share(work, self.chunker, self.destination, artifacts)
        planned = self.batches(accepted)
        if planned.batches:
            self.require_approval(planned.tokens)
        if self.by_batch is not None:
            self.by_batch(planned.batches, artifacts)
        if planned.batches:
            with self.lease(artifacts.run_id).held():
                to_embed = self.batches(accepted)
                with bar(to_embed.texts) as advance:
                    embedder = self.embedder(advance)
                    for each in to_embed.batches:
                        embed(each, embedder, artifacts)
        return publish_share(accepted, self.destination)

    def batches(self, accepted: Accepted) -> ToEmbed:
        """The texts of the share that its model has not seen, in batches."""
        return batch(accepted, self.destination.cache, max_tasks=self.max_tasks)
