"""Frozen, typed settings: the only reader of the environment.

Every `RAG_*` variable is read here, once, and documented in `.env.example`. A wrong value fails
at start with its name, the value and what is allowed; a misspelt name fails too.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from include.errors import ConfigurationError
from include.metadata import Fields, MetadataRules, PathPattern, parse_labels

REPOSITORY = Path(__file__).resolve().parent.parent
SENSITIVE_KINDS = ("secrets", "cards", "ibans", "emails", "phones")
SENSITIVE_ACTIONS = ("index", "mask", "quarantine")
STRATEGIES = ("structure", "recursive", "tokens", "sentences", "semantic", "parent")
"""How documents can be chunked; the first one is the default. See docs/chunking.md."""
T = TypeVar("T")


def load_env_file() -> None:
    """Takes what the shell does not set from the file that `RAG_ENV_FILE` names.

    By default that is `.env` in the repository, if there is one; set to nothing, none is read.
    Raises ConfigurationError when it names a file that does not exist.
    """
    named = os.environ.get("RAG_ENV_FILE")
    file = Path(named) if named else REPOSITORY / ".env"
    if named == "" or (named is None and not file.is_file()):
        return
    if not file.is_file():
        raise ConfigurationError(f"RAG_ENV_FILE should name a file, {named!r} is none.")
    from dotenv import dotenv_values

    for name, value in dotenv_values(file, interpolate=False).items():
        if value:
            os.environ.setdefault(name, value)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What is indexed: the URIs, the globs that select keys, and the largest file worth reading."""

    uris: tuple[str, ...]
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    max_document_bytes: int


@dataclass(frozen=True, slots=True)
class ParsingSettings:
    """How files are read: which columns make a document of a row, and what one file may take.

    `records` maps `id`, `title`, `text` and `metadata` to column names.
    """

    records: Mapping[str, tuple[str, ...]]
    seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class SensitiveRule:
    """What happens to one kind of sensitive content, in one source or, with "", in all others."""

    source: str
    kind: str
    action: str


@dataclass(frozen=True, slots=True)
class ScreeningSettings:
    """Which languages may be indexed (none named: all), and what sensitive content leads to.

    `phone_regions` are the countries whose national phone numbers are recognised.
    """

    languages: tuple[str, ...]
    sensitive: tuple[SensitiveRule, ...]
    phone_regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """Which model embeds, at which precision, on which engine; where exported models are kept."""

    provider: str
    name: str
    precision: str
    engine: str
    model_cache: Path
    batch_texts: int


@dataclass(frozen=True, slots=True)
class ChunkingSettings:
    """The strategy, those of single media types, and their sizes in the embedder's tokens.

    `tokens` is the budget of a chunk, `overlap_tokens` what it repeats inside a section,
    `parent_tokens` the budget of the context around a chunk of the strategy `parent`.
    """

    tokens: int
    overlap_tokens: int
    parent_tokens: int = 1_024
    strategy: str = "structure"
    by_media_type: tuple[tuple[str, str], ...] = ()

    @property
    def strategies(self) -> frozenset[str]:
        """Every strategy in use."""
        return frozenset((self.strategy, *(name for _, name in self.by_media_type)))


@dataclass(frozen=True, slots=True)
class GateSettings:
    """When a run is refused as a whole."""

    max_bad_fraction: float


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long things are kept: unused vectors in the cache for so many days, 0 is for ever."""

    cache_keep_days: int


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How results are picked: `deduplicate` keeps one document of each near-duplicate group."""

    deduplicate: bool


@dataclass(frozen=True, slots=True)
class ModelCalls:
    """How models behind an API are called: their rates, and how long answers are good for.

    The most requests and tokens a minute hold for each model; 0 is no limit. An identical request
    is answered from the cache for so many seconds; 0 is never.
    """

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    response_cache_seconds: int = 86_400


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
        return cls.read(_Reader(os.environ))

    @classmethod
    def read(cls, read: _Reader) -> WatchSettings:
        """Raises ConfigurationError for a mode without its queue, or without a source on S3."""
        mode = read.choice("RAG_WATCH", "none", ("none", "sqs", "prefix"))
        queue = read.text("RAG_WATCH_QUEUE", "")
        sources = read.text("RAG_SOURCE_URI", _local("data/inbox")).split()
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
    """Where tasks that embed run: a Celery queue, a Kubernetes pod template; "" = like all others."""

    queue: str
    pod_template: str

    @classmethod
    def from_environment(cls) -> EmbedWorkers:
        """The same as in Settings, without looking at the rest: Dag files read it."""
        return cls.read(_Reader(os.environ))

    @classmethod
    def read(cls, read: _Reader) -> EmbedWorkers:
        """Raises ConfigurationError for a template that is no absolute path."""
        queue, template = read.text("RAG_EMBED_QUEUE", ""), read.text("RAG_EMBED_POD_TEMPLATE", "")
        if template and not template.startswith("/"):
            raise ConfigurationError(
                f"RAG_EMBED_POD_TEMPLATE should be an absolute path on the scheduler, is {template!r}."
            )
        return cls(queue, template)


@dataclass(frozen=True, slots=True)
class Budgets:
    """Limits that need a person to be exceeded; `None` means no limit."""

    max_delete_fraction: float = 0.5
    daily_usd: Decimal | None = None
    run_usd: Decimal | None = None
    approval_usd: Decimal | None = None

    def approving(self, amount: Decimal) -> Budgets:
        """These limits where a person has approved so much."""
        limit = self.approval_usd
        return self if limit is None else replace(self, approval_usd=max(limit, amount))

    @classmethod
    def parse(cls, raw: Mapping[str, object], name: str = "rag_budgets") -> Budgets:
        """Budgets from the Variable's mapping; an unknown or absurd entry is an error."""
        allowed = ("max_delete_fraction", "daily_usd", "run_usd", "approval_usd")
        for key, value in raw.items():
            if key not in allowed:
                raise ConfigurationError(
                    f"Variable {name} has an unknown entry {key!r}; allowed are {', '.join(allowed)}."
                )
            _positive(value, f"Variable {name}, entry {key}")
        fraction = raw.get("max_delete_fraction")
        if fraction is not None and float(str(fraction)) > 1:
            raise ConfigurationError(
                f"Variable {name}, entry max_delete_fraction should be between 0 and 1, is {fraction!r}."
            )
        return cls(
            0.5 if fraction is None else float(str(fraction)),
            *(None if raw.get(key) is None else Decimal(str(raw[key])) for key in allowed[1:]),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured, after validation."""

    source: SourceSettings
    parsing: ParsingSettings
    screening: ScreeningSettings
    lake_uri: str
    embedding: EmbeddingSettings
    chunking: ChunkingSettings
    gate: GateSettings
    metadata: MetadataRules
    search: SearchSettings
    retention: RetentionSettings
    watch: WatchSettings
    embed_workers: EmbedWorkers
    budgets: Budgets
    golden_questions: Path | None
    llm: ModelCalls
    chat_model: str
    enrich_models: str
    vector_store: str
    redis_url: str | None
    max_mapped_tasks: int
    api_keys: tuple[str, ...]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Settings from `os.environ`, or from the mapping given.

        Raises ConfigurationError for a value that cannot be used or a name that does not exist.
        """
        read = _Reader(os.environ if environment is None else environment)
        settings = cls(
            source=SourceSettings(
                uris=_uris(
                    "RAG_SOURCE_URI", read.text("RAG_SOURCE_URI", _local("data/inbox")), many=True
                ),
                include=tuple(read.text("RAG_SOURCE_INCLUDE", "**").split()),
                exclude=tuple(read.text("RAG_SOURCE_EXCLUDE", "").split()),
                max_document_bytes=read.number("RAG_MAX_DOCUMENT_MB", 50, 1, 10_000) * 1024**2,
            ),
            parsing=ParsingSettings(
                records=_columns("RAG_RECORDS", read.text("RAG_RECORDS", "")),
                seconds=read.number("RAG_PARSE_SECONDS", 60, 1, 86_400),
                memory_bytes=read.number("RAG_PARSE_MEMORY_MB", 1024, 64, 1_000_000) * 1024**2,
            ),
            screening=ScreeningSettings(
                languages=read.codes("RAG_LANGUAGES", r"[a-z]{2,3}", "like en de"),
                sensitive=_sensitive(read.text("RAG_SENSITIVE", "")),
                phone_regions=read.codes("RAG_PHONE_REGIONS", r"[A-Z]{2}", "like US DE"),
            ),
            lake_uri=_uris("RAG_LAKE_URI", read.text("RAG_LAKE_URI", _local("data/lake")))[0],
            embedding=_embedding(read),
            chunking=_chunking(read),
            gate=GateSettings(max_bad_fraction=read.fraction("RAG_MAX_BAD_FRACTION", 0.2)),
            metadata=_metadata(read),
            search=SearchSettings(read.switch("RAG_DEDUPLICATE_RESULTS", "false")),
            retention=RetentionSettings(read.number("RAG_CACHE_KEEP_DAYS", 0, 0, 36_500)),
            watch=WatchSettings.read(read),
            embed_workers=EmbedWorkers.read(read),
            budgets=read.budgets("AIRFLOW_VAR_RAG_BUDGETS"),
            golden_questions=_file(read.text("RAG_GOLDEN_QUESTIONS", "")),
            llm=ModelCalls(
                read.number("RAG_LLM_REQUESTS_PER_MINUTE", 0, 0, 10_000_000),
                read.number("RAG_LLM_TOKENS_PER_MINUTE", 0, 0, 10_000_000_000),
                read.number("RAG_RESPONSE_CACHE_SECONDS", 86_400, 0, 31_536_000),
            ),
            chat_model=_chat_model(read.text("RAG_CHAT_MODEL", "none")),
            enrich_models=_chat_model(
                read.text("RAG_ENRICH_MODELS", "none"), "RAG_ENRICH_MODELS", "of strength"
            ),
            vector_store=read.choice("RAG_VECTOR_STORE", "lancedb", ("lancedb",)),
            redis_url=read.text("RAG_REDIS_URL", "") or None,
            max_mapped_tasks=read.number("RAG_MAX_MAPPED_TASKS", 64, 1, 1_024),
            api_keys=tuple(read.text("RAG_API_KEYS", "").replace(",", " ").split()),
        )
        read.text("RAG_ENV_FILE", "")  # see load_env_file
        read.refuse_unknown()
        settings._refuse_contradictions()
        return settings

    @property
    def index_values(self) -> dict[str, str]:
        """What makes an index what it is, as `RAG_*` values that give the same one again."""
        embedding, chunking = self.embedding, self.chunking
        overrides = (f"{media_type}={name}" for media_type, name in chunking.by_media_type)
        return {
            "RAG_EMBEDDER": f"{embedding.provider}:{embedding.name}",
            "RAG_EMBEDDER_PRECISION": embedding.precision,
            "RAG_CHUNK_STRATEGY": " ".join((chunking.strategy, *overrides)),
            "RAG_CHUNK_TOKENS": str(chunking.tokens),
            "RAG_CHUNK_OVERLAP_TOKENS": str(chunking.overlap_tokens),
            "RAG_CHUNK_PARENT_TOKENS": str(chunking.parent_tokens),
        }

    def with_index(self, values: Mapping[str, str]) -> Settings:
        """These settings for another index: embedder and chunker as the values given say.

        What they do not name stays. Raises ConfigurationError for a value that cannot be used, and
        for one that makes no index.
        """
        if unknown := sorted(values.keys() - self.index_values.keys()):
            raise ConfigurationError(
                f"{unknown[0]} does not make an index what it is; {', '.join(self.index_values)} do."
            )
        read = _Reader(self.index_values | dict(values))
        own = self.embedding
        embedding = replace(
            _embedding(read),
            engine=own.engine,
            model_cache=own.model_cache,
            batch_texts=own.batch_texts,
        )
        changed = replace(self, embedding=embedding, chunking=_chunking(read))
        changed._refuse_contradictions()
        return changed

    def _refuse_contradictions(self) -> None:
        chunking = self.chunking
        if chunking.overlap_tokens * 2 > chunking.tokens:
            raise ConfigurationError(
                f"RAG_CHUNK_OVERLAP_TOKENS should be at most half of RAG_CHUNK_TOKENS "
                f"({chunking.tokens}), is {chunking.overlap_tokens}."
            )
        for rule in self.screening.sensitive:
            if rule.source and rule.source not in self.source.uris:
                raise ConfigurationError(
                    f"RAG_SENSITIVE has a rule for {rule.source!r}, which RAG_SOURCE_URI does not "
                    f"name: {', '.join(self.source.uris)}."
                )
        if "parent" in chunking.strategies and chunking.parent_tokens < chunking.tokens:
            raise ConfigurationError(
                f"RAG_CHUNK_PARENT_TOKENS should be at least RAG_CHUNK_TOKENS "
                f"({chunking.tokens}), is {chunking.parent_tokens}."
            )
        lake = _place(self.lake_uri)
        for uri in self.source.uris:
            source = _place(uri)
            if lake == source or source in lake.parents:
                raise ConfigurationError(
                    f"RAG_LAKE_URI ({self.lake_uri}) lies inside RAG_SOURCE_URI ({uri}): the "
                    f"platform would index its own state. Put the lake elsewhere."
                )


class _Reader:
    """Reads `RAG_*` variables, remembering the names, so that a stranger's name is noticed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._known: set[str] = set()

    def text(self, name: str, default: str) -> str:
        self._known.add(name)
        return self._environment.get(name, "").strip() or default

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise ConfigurationError(f"{name} should be one of {', '.join(allowed)}, is {value!r}.")
        return value

    def switch(self, name: str, default: str) -> bool:
        return self.choice(name, default, ("true", "false")) == "true"

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        return self._parsed(
            name, str(default), int, lowest, highest, f"a whole number from {lowest} to {highest}"
        )

    def fraction(self, name: str, default: float) -> float:
        return self._parsed(name, str(default), float, 0.0, 1.0, "a number from 0 to 1")

    def _parsed(
        self, name: str, default: str, parse: Callable[[str], T], low: T, high: T, expected: str
    ) -> T:
        value = self.text(name, default)
        try:
            parsed = parse(value)
        except ValueError:
            parsed = None
        if parsed is None or not low <= parsed <= high:  # type: ignore[operator]
            raise ConfigurationError(f"{name} should be {expected}, is {value!r}.")
        return parsed

    def codes(self, name: str, pattern: str, example: str) -> tuple[str, ...]:
        values = tuple(self.text(name, "").split())
        for value in values:
            if not re.fullmatch(pattern, value):
                raise ConfigurationError(
                    f"{name} should be codes separated by spaces, {example}; {value!r} is none."
                )
        return values

    def budgets(self, name: str) -> Budgets:
        raw = self._environment.get(name, "").strip() or "{}"
        try:
            parsed = json.loads(raw)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise ConfigurationError(f"{name} should be a JSON object, is {raw!r}.")
        return Budgets.parse(parsed)

    def refuse_unknown(self) -> None:
        for name in self._environment:
            if name.startswith("RAG_") and name not in self._known:
                near = difflib.get_close_matches(name, self._known, 1)
                hint = f" Did you mean {near[0]}?" if near else " See .env.example."
                raise ConfigurationError(f"{name} is not a setting of this platform.{hint}")


def _embedding(read: _Reader) -> EmbeddingSettings:
    return EmbeddingSettings(
        **_embedder(read.text("RAG_EMBEDDER", "local:all-MiniLM-L6-v2")),
        precision=read.choice("RAG_EMBEDDER_PRECISION", "fp32", ("fp32", "int8")),
        engine=read.choice("RAG_EMBEDDER_ENGINE", "auto", ("auto", "openvino", "torch")),
        model_cache=Path(
            read.text("RAG_MODEL_CACHE", str(REPOSITORY / ".cache" / "models"))
        ).expanduser(),
        batch_texts=read.number("RAG_EMBED_BATCH_TEXTS", 512, 1, 100_000),
    )


def _chunking(read: _Reader) -> ChunkingSettings:
    return ChunkingSettings(
        tokens=read.number("RAG_CHUNK_TOKENS", 256, 16, 1_000_000),
        overlap_tokens=read.number("RAG_CHUNK_OVERLAP_TOKENS", 32, 0, 1_000_000),
        parent_tokens=read.number("RAG_CHUNK_PARENT_TOKENS", 1_024, 16, 1_000_000),
        **_strategies(read.text("RAG_CHUNK_STRATEGY", STRATEGIES[0])),
    )


def _columns(name: str, value: str) -> dict[str, tuple[str, ...]]:
    """`id=sku text=body,notes` as a mapping from role to columns."""
    roles: dict[str, tuple[str, ...]] = {"id": (), "title": (), "text": (), "metadata": ()}
    for part in value.split():
        role, _, columns = part.partition("=")
        names = tuple(filter(None, columns.split(",")))
        if role not in roles or not names or (role in ("id", "title") and len(names) > 1):
            raise ConfigurationError(
                f"{name} should be like 'id=sku title=name text=body,notes metadata=price' (one "
                f"column for id and title), has {part!r}."
            )
        roles[role] = names
    return roles


def _metadata(read: _Reader) -> MetadataRules:
    fields = read.text("RAG_METADATA_FIELDS", "year:int date:date tags:list")
    patterns = read.text("RAG_METADATA_PATTERNS", "").split()
    return MetadataRules(
        fields=Fields.parse(fields),
        patterns=tuple(map(PathPattern.parse, patterns)),
        default_acl=parse_labels(read.text("RAG_DEFAULT_ACL", ""), "RAG_DEFAULT_ACL"),
    )


def _file(value: str) -> Path | None:
    return Path(value).expanduser() if value else None


def _local(relative: str) -> str:
    return (REPOSITORY / relative).as_uri()


def _place(uri: str) -> Path:
    """Scheme, bucket and path as one path, to tell what lies in what."""
    parts = urlsplit(uri)
    return Path(f"/{parts.scheme}/{parts.netloc}/{unquote(parts.path).strip('/')}")


def _uris(name: str, value: str, many: bool = False) -> tuple[str, ...]:
    uris = tuple(uri.rstrip("/") for uri in value.split())
    if not many and len(uris) != 1:
        raise ConfigurationError(f"{name} should be one URI, is {value!r}.")
    for uri in uris:
        parts = urlsplit(uri)
        absolute_file = parts.scheme == "file" and not parts.netloc and parts.path.startswith("/")
        if not absolute_file and not (parts.scheme == "s3" and parts.netloc):
            raise ConfigurationError(
                f"{name} should be file:///absolute/path or s3://bucket/prefix, is {uri!r}."
            )
    if len(set(uris)) != len(uris):
        raise ConfigurationError(f"{name} names the same URI twice: {value!r}.")
    return uris


def _sensitive(value: str) -> tuple[SensitiveRule, ...]:
    rules = []
    for entry in value.split():
        subject, _, action = entry.rpartition("=")
        source, _, kind = subject.rpartition(":")
        if kind not in SENSITIVE_KINDS or action not in SENSITIVE_ACTIONS:
            raise ConfigurationError(
                f"RAG_SENSITIVE should hold entries [<source>:]<kind>=<action>, is {entry!r}; kinds "
                f"are {', '.join(SENSITIVE_KINDS)}, actions {', '.join(SENSITIVE_ACTIONS)}."
            )
        rules.append(SensitiveRule(source.rstrip("/"), kind, action))
    places = [(rule.source, rule.kind) for rule in rules]
    twice = next((place for place in places if places.count(place) > 1), None)
    if twice:
        raise ConfigurationError(
            f"RAG_SENSITIVE says twice what {twice[1]!r} lead to: {value!r}. Keep one entry."
        )
    return tuple(rules)


def _embedder(value: str) -> dict[str, str]:
    provider, _, name = value.partition(":")
    forms = {"local": r".+", "fake": r"[1-9]\d*", "openai": r"[^@\s]+(@[1-9]\d*)?"}
    if provider not in forms or not re.fullmatch(forms[provider], name):
        raise ConfigurationError(
            f"RAG_EMBEDDER should be local:<model or path>, openai:<model>[@dimensions], or "
            f"fake:<dimensions> for trials without a model; it is {value!r}."
        )
    return {"provider": provider, "name": name}


def _chat_model(value: str, setting: str = "RAG_CHAT_MODEL", order: str = "of fallback") -> str:
    """`none`, or `openai:a,openai:b` without white space."""
    names = [name.strip() for name in value.split(",")]
    for name in names:
        if value != "none" and not re.fullmatch(r"openai:\S+", name):
            raise ConfigurationError(
                f"{setting} should be none, or openai:<model>, several in the order {order} "
                f"separated by commas; it is {value!r}."
            )
    return ",".join(names)


def _strategies(value: str) -> dict[str, Any]:
    """The strategy and its overrides, from `structure text/csv=recursive`."""
    default, *overrides = value.split()
    chosen: dict[str, str] = {}
    for override in overrides:
        media_type, equals, name = override.partition("=")
        if not equals or not re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", media_type):
            raise ConfigurationError(
                f"RAG_CHUNK_STRATEGY should be a strategy, then any number of media types with "
                f"theirs, as in 'structure text/csv=recursive'; it has {override!r}."
            )
        if media_type in chosen:
            raise ConfigurationError(f"RAG_CHUNK_STRATEGY names {media_type} twice: {value!r}.")
        chosen[media_type] = name
    for name in (default, *chosen.values()):
        if name not in STRATEGIES:
            raise ConfigurationError(
                f"RAG_CHUNK_STRATEGY should use {', '.join(STRATEGIES)}; {name!r} in {value!r} "
                f"is none of them."
            )
    return {"strategy": default, "by_media_type": tuple(sorted(chosen.items()))}


def _positive(value: object, name: str) -> None:
    try:
        parsed = Decimal(str(value))
    except InvalidOperation:
        parsed = Decimal(-1)
    if not parsed.is_finite() or parsed < 0:
        raise ConfigurationError(f"{name} should be a number of at least 0, is {value!r}.")
