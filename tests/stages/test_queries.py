"""What is kept of queries goes when it should: by age, by erasure, and from every place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import escape

import numpy as np
import pytest

from include.commands.erase import erase
from include.commands.ingest import sync
from include.embedding.fake import FakeEmbedder
from include.embedding.protocol import EmbedderIdentity
from include.embedding.queries import QueryEmbedder
from include.erasure.queries import Quotes
from include.evaluation.quoting import quote, quoted, without_quotes
from include.stages.queries import ForgottenQueries, forget_queries
from include.storage.query_log import Outcome, QueryLog, query_hash
from include.wiring import Platform

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "Mrs Winterbottom confided that her knee was treated in Novosibirsk last winter."
FOUND = Outcome("search", "i", "hybrid", 10, (0.5,), 0.01)


def logged(platform: Platform, *texts: str, days_ago: int = 0, keeps: str = "text") -> QueryLog:
    at = NOW - timedelta(days=days_ago)
    log = QueryLog(lambda: platform.lake.objects, keeps, clock=lambda: at)
    for text in texts:
        log.note(text, FOUND)
    return log


def page_about(platform: Platform, *texts: str) -> None:
    rows = "".join(quote(f"<tr><td>{escape(text)}</td></tr>", query_hash(text)) for text in texts)
    html = f"<html><table>{rows}</table> and the rest</html>"
    platform.lake.objects.write("evaluations/one.html", html.encode())


def page(platform: Platform) -> str:
    return platform.lake.objects.read("evaluations/one.html").data.decode()


def vectors(platform: Platform) -> int:
    names = [name for name in platform.database.names() if name.startswith("query_embeddings_")]
    return sum(platform.database.rows(name) for name in names)


def test_an_expired_query_takes_its_vector_and_its_quotation_with_it(world):
    platform = world()
    logged(platform, "an old question", "asked again", days_ago=31)
    log = logged(platform, "a new question", "Asked  again")
    platform.query_embedder.embed_documents(["an old question", "a new question"])
    page_about(platform, "an old question", "asked again", "a new question")
    other = page(platform).replace("a new question", "another one")
    platform.lake.objects.write("evaluations/two.html", other.encode())
    before = (NOW - timedelta(days=30)).date()
    assert forget_queries(platform.lake, platform.database, log, before=before) == (
        ForgottenQueries(segments=1, vectors=1, quotes=2)
    )
    assert sorted(q.text for q in log.queries(before)) == ["Asked  again", "a new question"]
    assert vectors(platform) == 1
    assert "an old question" not in page(platform)
    assert "a new question" in page(platform)
    assert "and the rest" in page(platform)
    assert b"an old" not in platform.lake.objects.read("evaluations/two.html").data
    assert forget_queries(platform.lake, platform.database, log, before=before) == (
        ForgottenQueries(0, 0, 0)
    )


def test_a_log_that_was_turned_off_is_forgotten_all_the_same(world):
    platform = world()
    logged(platform, "an old question", days_ago=31)
    off = QueryLog(lambda: platform.lake.objects, "off", clock=lambda: NOW)
    forget_queries(platform.lake, platform.database, off, before=NOW.date())
    assert list(platform.lake.objects.list("queries/")) == []


def test_an_erased_document_takes_the_queries_that_quote_it(world, inbox):
    (inbox / "secret.txt").write_text(SECRET)
    for name in ("apple", "birch"):
        (inbox / f"{name}.txt").write_text(f"The {name} is a tree that is described here.")
    sync(platform := world())
    uri = (inbox / "secret.txt").as_uri()
    pasted = "why: confided that her knee was treated in Nov"
    logged(platform, pasted, f"what does {uri} say", "knee treatment", "trees")
    platform.query_embedder.embed_documents([pasted, "trees"])
    page_about(platform, pasted, "trees")
    (inbox / "secret.txt").unlink()
    receipt, status = erase(platform := world(), uri, settle_seconds=0)
    assert (status, receipt["removed"]["queries/"]) == (0, 2), receipt
    log = QueryLog(lambda: platform.lake.objects, "text", clock=lambda: NOW)
    assert sorted(query.text for query in log.queries(NOW.date())) == ["knee treatment", "trees"]
    assert vectors(platform) == 1
    assert "confided" not in page(platform)
    assert "trees" in page(platform)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (SECRET[5:29], True),
        (f"please explain {SECRET[9:33]} to me", True),
        (SECRET[5:28], False),
        ("", False),
        ("Mrs Winterbottom and Novosibirsk and her winter knee", False),
        (SECRET.upper(), False),
    ],
)
def test_a_query_quotes_a_document_from_24_characters_on(text, is_one):
    assert Quotes(["Another line.\n" + SECRET])(text) is is_one


def test_single_quotations_can_be_taken_out_of_a_page():
    one, two = query_hash("one"), query_hash("two")
    html = f"<p>{quote('one', one)}{quote('two', two)}{quote('one again', one)}</p>".encode()
    assert quoted(html) == {one, two}
    assert without_quotes(html, {one}) == f"<p>{quote('two', two)}</p>".encode()
    assert without_quotes(html, set()) == html


class Prefixed(FakeEmbedder):
    """A model that wants another prefix before queries than before documents."""

    @property
    def identity(self) -> EmbedderIdentity:
        return EmbedderIdentity("m", "w", 32, query_prefix="query: ", document_prefix="passage: ")

    def embed_query(self, text: str) -> np.ndarray:
        return super().embed_query("query: " + text)


def test_queries_are_embedded_as_queries_whatever_prefix_a_model_wants():
    one, other = QueryEmbedder(FakeEmbedder(32)), QueryEmbedder(Prefixed(32))
    assert np.allclose(one.embed_documents(["a b"])[0], FakeEmbedder(32).embed_query("a b"))
    assert np.allclose(
        other.embed_documents(["a b"])[0], FakeEmbedder(32).embed_query("query: a b")
    )
    assert other.identity.id != Prefixed(32).identity.id
