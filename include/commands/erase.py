"""`erase`: one document out of the lake, with a receipt that proves it."""

from __future__ import annotations

import getpass
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from include.documents import Block, text_hash
from include.erasure import Erasing
from include.erasure import erase as erase_document
from include.erasure.at_source import place
from include.erasure.subject import Derived, nothing_derived
from include.errors import ConfigurationError
from include.wiring import Platform

if TYPE_CHECKING:
    from include.llm.questions import Questions
    from include.llm.responses import Responses

Json = dict[str, Any]

SETTLE_SECONDS = 5
"""Reads that began on a table version end sooner; longer ones fail and are to be repeated."""


@dataclass(frozen=True, slots=True)
class Switches:
    """What a person may ask of an erasure; see Erasing."""

    ignore_source: bool = False
    unfinished_runs: bool = False


def erase(
    platform: Platform,
    uri: str,
    switches: Switches = Switches(),
    *,
    settle_seconds: float = SETTLE_SECONDS,
) -> tuple[Json, int]:
    """Erases the document at an address; returns the receipt, and 1 unless nothing is left of it.

    Raises ConfigurationError, before anything is touched, while the document is at the source.
    """
    if not uri.strip():
        raise ConfigurationError("erase needs the uri of a document, is ''; `search` shows uris.")
    _refuse_sources_inside(platform)
    found = place(uri, platform.reading(may_embed=False))
    if found.is_there and not switches.ignore_source:
        raise ConfigurationError(
            f"{uri!r} is still at the source, so the next sync would index it again. Remove it "
            f"there first, or add --ignore-source: it is then kept out although it is there."
        )
    within = Erasing(
        platform.lake,
        platform.database,
        platform.store,
        by=getpass.getuser(),
        mark=switches.ignore_source,
        unfinished_too=switches.unfinished_runs,
        settle=lambda: time.sleep(settle_seconds),
        forget_answers=lambda: sum(each.clear() for each in _answers(platform)),
        forget_questions=lambda: sum(each.clear() for each in _questions(platform)),
    )
    receipt = erase_document(
        uri, within, now=datetime.now(UTC), names=found.names, derived=_sentences(platform)
    )
    return receipt.as_json(), 0 if receipt.is_clean else 1


def _answers(platform: Platform) -> list[Responses]:
    """Where answers to identical requests are kept, and where they were before there was Redis."""
    from include.llm.responses import LakeResponses

    before = [LakeResponses(platform.lake.objects)] if platform.settings.redis_url else []
    return [platform.responses, *before]


def _questions(platform: Platform) -> list[Questions]:
    """The same of answered questions."""
    from include.llm.question_stores import LakeQuestions

    before = [LakeQuestions(platform.lake.objects)] if platform.settings.redis_url else []
    return [platform.questions, *before]


def _refuse_sources_inside(platform: Platform) -> None:
    """Old versions of whatever lies below the lake are deleted: those of documents must not be."""
    lake = platform.settings.lake_uri
    inside = [uri for uri in platform.settings.source.uris if unquote(uri).startswith(f"{lake}/")]
    if inside and platform.lake.files.keeps_versions():
        raise ConfigurationError(
            f"erase deletes every old version below RAG_LAKE_URI ({lake}), and the source {inside[0]} "
            f"lies there: give the lake a prefix of its own. Nothing was erased."
        )


def _sentences(platform: Platform) -> Derived:
    """What the semantic chunker has embedded of a text: sentences, which no chunk refers to."""
    if "semantic" not in platform.settings.chunking.strategies:
        return nothing_derived
    from include.chunking import STRATEGIES

    parts = platform.chunking_parts(may_embed=False)

    def hashes(text: str, blocks: Sequence[Block]) -> set[str]:
        asked = _Asked(parts.vectors.id)
        STRATEGIES["semantic"](replace(parts, vectors=asked)).chunk(text, blocks)
        return asked.hashes

    return hashes


class _Asked:
    """Vectors of sentences that are never known; it remembers what was asked for."""

    def __init__(self, identity: str) -> None:
        self._identity = identity
        self.hashes: set[str] = set()

    @property
    def id(self) -> str:
        """The embedder's identity."""
        return self._identity

    def __call__(self, texts: Sequence[str]) -> None:
        self.hashes.update(map(text_hash, texts))
