"""How new objects are noticed, and where embedding runs: what Dag files read while they are parsed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from include.errors import ConfigurationError
from include.settings.places import local
from include.settings.reader import Reader


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """How new objects at S3 sources are noticed: `none`, `sqs` through a queue, `prefix` by listing.

    `seconds` lie between two looks, `sweep_minutes` between two comparisons with a listing.
    """

    mode: str
    queue: str
    seconds: int
    sweep_minutes: int
    sources: tuple[str, ...]

    @classmethod
    def from_environment(cls) -> WatchSettings:
        """The same as in Settings, without looking at the rest: a Dag file reads it."""
        return cls.read(Reader(os.environ))

    @classmethod
    def read(cls, read: Reader) -> WatchSettings:
        """Raises ConfigurationError for a mode without its queue, or without a source on S3."""
        mode = read.choice("RAG_WATCH", "none", ("none", "sqs", "prefix"))
        queue = read.text("RAG_WATCH_QUEUE", "")
        sources = read.text("RAG_SOURCE_URI", local("data/inbox")).split()
        on_s3 = tuple(uri.rstrip("/") for uri in sources if uri.startswith("s3://"))
        if mode == "sqs" and not re.fullmatch(r"https?://[^/\s]+/\S+", queue):
            raise ConfigurationError(
                f"RAG_WATCH_QUEUE should be the URL of an SQS queue when RAG_WATCH is sqs, is {queue!r}."
            )
        if mode != "none" and not on_s3:
            raise ConfigurationError(
                f"RAG_WATCH is {mode!r}, but RAG_SOURCE_URI names nothing on S3 ({', '.join(sources)}): "
                f"set RAG_WATCH=none, or index an s3://bucket/prefix."
            )
        seconds = read.number("RAG_WATCH_SECONDS", 5, 1, 3_600)
        sweep = read.number("RAG_WATCH_SWEEP_MINUTES", 60, 1, 1_440)
        return cls(mode, queue, seconds, sweep, on_s3)


@dataclass(frozen=True, slots=True)
class EmbedWorkers:
    """Where tasks that embed run: a Celery queue, a Kubernetes pod template; "" = like all others.

    Of one run at most `at_once` embed at the same time; 0 leaves that to the pool.
    """

    queue: str
    pod_template: str
    at_once: int = 0

    @classmethod
    def from_environment(cls) -> EmbedWorkers:
        """The same as in Settings, without looking at the rest: Dag files read it."""
        return cls.read(Reader(os.environ))

    @classmethod
    def read(cls, read: Reader) -> EmbedWorkers:
        """Raises ConfigurationError for a template that is no absolute path."""
        queue, template = read.text("RAG_EMBED_QUEUE", ""), read.text("RAG_EMBED_POD_TEMPLATE", "")
        if template and not template.startswith("/"):
            raise ConfigurationError(
                f"RAG_EMBED_POD_TEMPLATE should be an absolute path on the scheduler, is {template!r}."
            )
        return cls(queue, template, read.number("RAG_EMBED_TASKS_AT_ONCE", 0, 0, 1_024))
