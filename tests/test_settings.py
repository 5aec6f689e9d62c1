"""Settings: every wrong value is told by its name, its value and what is allowed."""

from __future__ import annotations

import os
import re
from decimal import Decimal

import pytest

from include.errors import ConfigurationError
from include.settings import REPOSITORY, Budgets, Settings, load_env_file


def test_an_empty_environment_gives_the_documented_defaults():
    settings = Settings.from_environment({})
    assert settings.lake_uri == (REPOSITORY / "data/lake").as_uri()
    assert settings.source.uris == ((REPOSITORY / "data/inbox").as_uri(),)
    assert (settings.embedding.provider, settings.embedding.name) == ("local", "all-MiniLM-L6-v2")
    assert (settings.chunking.tokens, settings.chunking.overlap_tokens) == (256, 32)
    assert settings.max_mapped_tasks == 64
    assert settings.redis_url is None


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("RAG_CHUNK_TOKENS", "abc", "whole number"),
        ("RAG_CHUNK_TOKENS", "3", "from 16"),
        ("RAG_CHUNK_OVERLAP_TOKENS", "200", "at most half"),
        ("RAG_MAX_BAD_FRACTION", "1.5", "from 0 to 1"),
        ("RAG_MAX_BAD_FRACTION", "nan", "from 0 to 1"),
        ("RAG_EMBEDDER", "all-MiniLM-L6-v2", "local:<model or path>"),
        ("RAG_EMBEDDER", "fake:none", "fake:<dimensions>"),
        ("RAG_EMBEDDER", "openai:", "openai:<model>"),
        ("RAG_EMBEDDER", "openai:m@0", "openai:<model>"),
        ("RAG_CHAT_MODEL", "gpt-4o", "separated by commas"),
        ("RAG_CHAT_MODEL", "openai:a,", "separated by commas"),
        ("RAG_ENRICH_MODELS", "gpt-4o", "RAG_ENRICH_MODELS.*order of strength"),
        ("RAG_LLM_REQUESTS_PER_MINUTE", "-1", "from 0"),
        ("RAG_LLM_TOKENS_PER_MINUTE", "many", "whole number"),
        ("RAG_RESPONSE_CACHE_SECONDS", "1.5", "whole number"),
        ("RAG_SEMANTIC_CACHE", "yes", "from 0 to 1"),
        ("RAG_SEMANTIC_CACHE", "nan", "from 0 to 1"),
        ("RAG_SEMANTIC_CACHE", "1.1", "from 0 to 1"),
        ("RAG_SEMANTIC_CACHE", "0.5", "0 .off. or a cosine from 0.8 to 1, is 0.5"),
        ("RAG_EMBEDDER_PRECISION", "fp16", "fp32, int8"),
        ("RAG_VECTOR_STORE", "faiss", "lancedb"),
        ("RAG_SOURCE_URI", "data/inbox", "file:///absolute/path"),
        ("RAG_SOURCE_URI", "file:///a file:///a", "twice"),
        ("RAG_LAKE_URI", "file:///a file:///b", "one URI"),
        ("RAG_LAKE_URI", "S3://bucket/lake", "s3://bucket/prefix"),
        ("RAG_SOURCE_URI", "FILE:///docs", "file:///absolute/path"),
        ("RAG_MAX_MAPPED_TASKS", "0", "from 1"),
        ("AIRFLOW_VAR_RAG_BUDGETS", "[1]", "JSON object"),
        ("RAG_LANGUAGES", "en,de", "separated by spaces, like en de"),
        ("RAG_LANGUAGES", "english", "like en de"),
        ("RAG_PHONE_REGIONS", "usa", "like US DE"),
        ("RAG_SENSITIVE", "secrets", "<kind>=<action>"),
        ("RAG_SENSITIVE", "passwords=mask", "kinds are secrets, cards"),
        ("RAG_SENSITIVE", "cards=drop", "actions index, mask, quarantine"),
        ("RAG_SENSITIVE", "cards=mask cards=index", "twice"),
        ("RAG_SENSITIVE", "file:///elsewhere:cards=mask", "RAG_SOURCE_URI does not name"),
        ("RAG_API_REQUESTS_PER_MINUTE", "-1", "from 0"),
        ("RAG_API_TIMEOUT_SECONDS", "0", "from 1"),
        ("RAG_API_SESSION_MINUTES", "0", "from 1"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(name, value, expected):
    with pytest.raises(ConfigurationError, match=expected) as caught:
        Settings.from_environment({name: value})
    assert name in str(caught.value) or name == "RAG_CHUNK_OVERLAP_TOKENS"


def test_a_misspelt_name_is_told_with_the_right_one():
    with pytest.raises(ConfigurationError, match="Did you mean RAG_CHUNK_TOKENS"):
        Settings.from_environment({"RAG_CHUNK_TOKEN": "100"})


@pytest.mark.parametrize("lake", ["s3://docs", "s3://docs/lake", "s3://docs/a/b"])
def test_a_lake_inside_a_bucket_that_is_the_source_is_refused(lake):
    for source, refused in (("s3://docs", True), ("s3://docs/a", lake.endswith("b"))):
        given = {"RAG_SOURCE_URI": source, "RAG_LAKE_URI": lake}
        if refused:
            with pytest.raises(ConfigurationError, match="index its own state"):
                Settings.from_environment(given)
        else:
            assert Settings.from_environment(given).lake_uri == lake


def test_a_lake_inside_its_source_is_refused():
    with pytest.raises(ConfigurationError, match="index its own state"):
        Settings.from_environment(
            {"RAG_SOURCE_URI": "file:///docs", "RAG_LAKE_URI": "file:///docs/lake"}
        )


def test_several_sources_are_separated_by_spaces():
    settings = Settings.from_environment({"RAG_SOURCE_URI": "file:///a  file:///b%20c/"})
    assert settings.source.uris == ("file:///a", "file:///b%20c")


def test_budgets_are_decimals_and_their_absence_means_no_limit():
    budgets = Budgets.parse({"daily_usd": 0.1, "max_delete_fraction": 0.25})
    assert budgets.daily_usd == Decimal("0.1")
    assert budgets.run_usd is None
    assert budgets.max_delete_fraction == 0.25


@pytest.mark.parametrize(
    "raw", [{"daily": 1}, {"daily_usd": -1}, {"run_usd": "much"}, {"max_delete_fraction": 2}]
)
def test_an_absurd_budget_is_refused(raw):
    with pytest.raises(ConfigurationError, match="rag_budgets"):
        Budgets.parse(raw)


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ({}, 512),
        ({"RAG_EMBEDDER": "openai:text-embedding-3-small"}, 2_048),
        ({"RAG_EMBEDDER": "openai:text-embedding-3-small", "RAG_EMBED_BATCH_TEXTS": "64"}, 64),
    ],
)
def test_a_write_to_the_cache_holds_what_suits_the_model_unless_somebody_chose(given, texts):
    settings = Settings.from_environment(given)
    assert settings.embedding.texts_in_a_write == texts
    switched = settings.with_index({"RAG_EMBEDDER": "openai:text-embedding-3-large"})
    assert switched.embedding.texts_in_a_write == (64 if texts == 64 else 2_048)


def test_every_setting_is_documented_in_the_example_file():
    documented = (REPOSITORY / ".env.example").read_text()
    sources = (REPOSITORY / "include" / "settings").glob("*.py")
    names = {name for file in sources for name in re.findall(r'"(RAG_[A-Z_]+)"', file.read_text())}
    assert {"RAG_SOURCE_URI", "RAG_PARSE_SECONDS", "RAG_CHAT_MODEL"} <= names
    undocumented = {name for name in names if not re.search(rf"\b{name}\b", documented)}
    assert not undocumented


def test_the_env_file_gives_what_the_shell_does_not(tmp_path, monkeypatch):
    file = tmp_path / "settings.env"
    file.write_text("RAG_CHUNK_TOKENS=100\nRAG_MAX_MAPPED_TASKS=7\nRAG_REDIS_URL=\n")
    monkeypatch.setenv("RAG_ENV_FILE", str(file))
    monkeypatch.setenv("RAG_CHUNK_TOKENS", "200")
    monkeypatch.delenv("RAG_MAX_MAPPED_TASKS", raising=False)
    try:
        load_env_file()
        settings = Settings.from_environment()
    finally:
        os.environ.pop("RAG_MAX_MAPPED_TASKS", None)
    assert (settings.chunking.tokens, settings.max_mapped_tasks) == (200, 7)
    assert settings.redis_url is None


def test_the_password_of_redis_is_shown_by_nothing():
    settings = Settings.from_environment({"RAG_REDIS_URL": "rediss://:s3cret@host:6379/0"})
    assert settings.redis_url == "rediss://:s3cret@host:6379/0"
    assert "s3cret" not in repr(settings)
    for wrong in ("http://:s3cret@host", ":s3cret@host", "redis//:s3cret@host"):
        with pytest.raises(ConfigurationError, match="RAG_REDIS_URL should begin with") as caught:
            Settings.from_environment({"RAG_REDIS_URL": wrong})
        assert "s3cret" not in str(caught.value)


def test_an_env_file_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setenv("RAG_ENV_FILE", "/nowhere/x.env")
    with pytest.raises(ConfigurationError, match=r"/nowhere/x\.env"):
        load_env_file()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"RAG_WATCH": "kafka"}, "RAG_WATCH should be one of none, sqs, prefix"),
        ({"RAG_WATCH": "sqs", "RAG_SOURCE_URI": "s3://b/docs"}, "RAG_WATCH_QUEUE"),
        ({"RAG_WATCH": "sqs", "RAG_SOURCE_URI": "s3://b", "RAG_WATCH_QUEUE": "q"}, "'q'"),
        ({"RAG_WATCH": "prefix"}, "names nothing on S3"),
        ({"RAG_WATCH_SECONDS": "0"}, "RAG_WATCH_SECONDS"),
        ({"RAG_EMBED_POD_TEMPLATE": "embed.yaml"}, "absolute path"),
    ],
)
def test_a_watch_that_could_not_work_is_refused_by_name(given, named):
    with pytest.raises(ConfigurationError, match=named):
        Settings.from_environment(given)


def test_a_laptop_watches_nothing():
    assert Settings.from_environment({}).watch.mode == "none"


def test_a_key_of_the_api_reads_as_the_labels_behind_it():
    text = "plain-0123456789ab== hr-0123456789abc|hr|group:staff,root-0123456789a|*"
    keys = Settings.from_environment({"RAG_API_KEYS": text}).api.keys
    assert [key.labels for key in keys] == [(), ("group:staff", "hr"), None]
    assert keys[0].secret == "plain-0123456789ab=="
    assert "0123456789" not in repr(keys)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("short", "entry 1: a key should have at least 16"),
        ("good-0123456789ab se|cret", "entry 2"),
        ("good-0123456789ab|", "labels"),
        ("good-0123456789ab|*|hr", "labels"),
        ("good-0123456789ab|hr||x", "labels"),
        ("good-0123456789ab good-0123456789ab|hr", "twice"),
        ("gööd-0123456789abcdef", "letters"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_without_the_key(value, expected):
    with pytest.raises(ConfigurationError, match=expected) as told:
        Settings.from_environment({"RAG_API_KEYS": value})
    assert "0123456789" not in str(told.value)
    assert "RAG_API_KEYS" in str(told.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("short-0123", "at least 16"),
        ("good-0123456789ab|hr", "letters"),
        ("same-0123456789a", "both"),
    ],
)
def test_a_metrics_key_that_cannot_be_used_is_told_without_the_key(value, expected):
    keys = {"RAG_API_KEYS": "same-0123456789a|hr"}
    assert Settings.from_environment(keys).api.metrics_key == ""
    with pytest.raises(ConfigurationError, match=expected) as told:
        Settings.from_environment(keys | {"RAG_METRICS_KEY": value})
    assert "0123" not in str(told.value)
    assert "RAG_METRICS_KEY" in str(told.value)


def test_a_semantic_cache_that_could_keep_nothing_is_refused():
    on = {"RAG_SEMANTIC_CACHE": "0.95"}
    assert Settings.from_environment(on).llm.semantic_cache == 0.95
    assert Settings.from_environment({}).llm.semantic_cache == 0
    with pytest.raises(ConfigurationError, match="RAG_RESPONSE_CACHE_SECONDS is 0"):
        Settings.from_environment(on | {"RAG_RESPONSE_CACHE_SECONDS": "0"})
