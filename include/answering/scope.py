"""What two questions have to have in common before one may get the other's answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from include.documents import digest
from include.retrieval.generative import GenerativeAnswerer
from include.wiring import Platform

if TYPE_CHECKING:
    from include.answering.asking import Asking

_FORMAT = "1"


def scope_of(
    platform: Platform, who: GenerativeAnswerer, asking: Asking, prompt: Sequence[str]
) -> str:
    """Names everything but the question that an answer depends on; `prompt`: name, version, hash.

    The revisions of index and manifest stand for the documents: any commit to either ends the scope.
    Identity and last sync are there for a lake that was restored, where revisions count anew.
    """
    searcher, narrowing, entries = who.searcher, asking.narrowing, platform.registry.read()
    index = entries.get(searcher.index)
    labels = narrowing.principals
    deduplicated = narrowing.distinct
    if deduplicated is None:
        deduplicated = platform.settings.search.deduplicate
    state = {
        "lake": platform.settings.lake_uri,
        "index": [index.name, index.run_id, index.created_at],
        "sync": dict(entries.last_sync or {}),
        "revision": searcher.store.revision(searcher.index),
        "manifest": platform.tables.documents.version(),
        "embedder": searcher.embedder.identity.id,
        "filter": narrowing.filter,
        "labels": None if labels is None else sorted(set(labels)),
        "deduplicated": deduplicated,
        "k": asking.k,
        "prompt": list(prompt),
        "models": [who.chat.name, platform.remote.endpoint.base_url],
        "sizes": [who.budget, who.max_output_tokens],
    }
    return digest("similar questions", _FORMAT, json.dumps(state, sort_keys=True))
