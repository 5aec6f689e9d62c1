"""Which index a run works on: what is live decides, and others are kept complete beside it.

After a promotion or a rollback the settings lag behind the registry. Every index remembers the
`RAG_*` values that make it, so that readers and ingestion follow what is live at once.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from include.errors import ConfigurationError, PlatformError
from include.observability.log import warn
from include.retrieval.search import Searcher
from include.storage.index_entries import Index, values_of
from include.wiring import Platform


def of_values(platform: Platform, values: Mapping[str, str]) -> Platform:
    """The platform for the index that these `RAG_*` values make; others stay as they are."""
    if not values.items() - platform.settings.index_values.items():
        return platform
    settings = platform.settings.with_index(values)
    beside = (each for each in platform.beside if isinstance(each, Platform))
    made = next((each for each in beside if each.settings == settings), None)
    if made is None:
        made = Platform(settings, platform.deployment)
        platform.beside.append(made)
    # One lake, opened and found compatible once.
    for name in ("s3", "lake", "database", "caller"):
        if name in platform.__dict__:
            made.__dict__[name] = platform.__dict__[name]
    return made


def read_values(text: str) -> Mapping[str, str]:
    """`RAG_EMBEDDER=local:x RAG_CHUNK_TOKENS=128` as a mapping."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigurationError(f"The target {text!r} cannot be read: {error}.") from None
    values = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise ConfigurationError(
                f"A target should be like 'RAG_EMBEDDER=local:model RAG_CHUNK_TOKENS=128', has "
                f"{word!r}."
            )
        values[name] = value
    return values


def described(platform: Platform, text: str) -> Platform:
    """The platform of the index that differs from the live one in what the text names."""
    return of_values(platform, {**of_index(platform).settings.index_values, **read_values(text)})


def of_index(platform: Platform, name: str | None = None) -> Platform:
    """The platform with embedder and chunker of a registered index, by default of the live one."""
    index = platform.registry.get(name) if name else platform.registry.live()
    return platform if index is None else of_values(platform, values_of(index))


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What a question is narrowed to; nothing by default, but for the setting of `distinct`.

    `principals` are the labels of whoever asks; None is no restriction.
    """

    filter: str | None = None
    principals: Sequence[str] | None = None
    distinct: bool | None = None

    def as_json(self) -> dict[str, Any]:
        """What is narrowed, for a trace."""
        return {name: value for name, value in asdict(self).items() if value is not None}


EVERYTHING = Narrowing()


def searcher(
    platform: Platform, index: str | None = None, narrowing: Narrowing = EVERYTHING
) -> Searcher:
    """A searcher on the live index, or on the one named, within what it is narrowed to.

    Its own model embeds the question, whatever RAG_EMBEDDER says. Raises ConfigurationError when
    there is none yet, when it is not known what filled it, or for a filter that cannot be read.
    """
    return searcher_in(platform, platform.registry.get(index or platform.live_index()), narrowing)


def searcher_in(platform: Platform, index: Index, narrowing: Narrowing = EVERYTHING) -> Searcher:
    """`searcher` on an index that was looked up already: a switch meanwhile changes nothing."""
    platform = of_values(platform, values_of(index))
    scope = platform.scope(narrowing.filter, narrowing.principals)
    if index.embedder != platform.embedder.identity.id:
        raise ConfigurationError(
            f"The index {index.name!r} was filled by {index.embedder!r}; the configured "
            f"RAG_EMBEDDER is {platform.embedder.identity.id!r}. Set it back, or make the index "
            f"for it: `python -m include sync --rebuild`."
        )
    distinct = platform.distinct(deduplicate=narrowing.distinct)
    return Searcher(platform.embedder, platform.store, index.name, scope=scope, distinct=distinct)


def following(platform: Platform) -> Platform:
    """The platform for the live index, where the settings name another one that is registered.

    An index that nobody has built is another matter, see `Platform.require_index`.
    """
    live = platform.registry.live()
    if live is None or live.name == platform.index_name:
        return platform
    if platform.index_name not in platform.registry.read().indexes:
        return platform
    followed = of_values(platform, values_of(live))
    if followed is not platform:
        assignments = " ".join(f"{name}='{value}'" for name, value in values_of(live).items())
        warn(
            f"{live.name!r} is live, RAG_EMBEDDER, RAG_INDEX_VECTORS and RAG_CHUNK_* name {platform.index_name!r}. What "
            f"is live decides; to make it permanent, set {assignments}."
        )
    return followed


def keep_others(platform: Platform, run_id: str, documents: Collection[str]) -> None:
    """Brings these documents up to date in every index beside the one that the run published to.

    Those are indexes being built, candidates, and one that went live during the run. One that
    cannot be written now is left behind with a warning: its next fill, or sync, catches up.
    """
    from include.stages.fill import share

    for index in platform.registry.indexes():
        kept = index.state in ("building", "candidate", "live") and index.settings
        if not kept or index.name == platform.index_name:
            continue
        other = of_values(platform, values_of(index))
        try:
            artifacts = other.artifacts(f"{run_id}/{index.name}")
            work = share(other.destination, artifacts, only=documents)
            if not work.nothing:
                other.filler.fill(work, artifacts)
        except PlatformError as error:
            warn(f"The index {index.name!r} was not brought up to date: {error}")
