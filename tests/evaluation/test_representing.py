"""An evaluation tells whether the golden questions still ask what people ask."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from include.commands import show
from include.commands.evaluate import Asked, evaluate
from include.errors import ConfigurationError
from include.evaluation.representing import Suggestion, Traffic, section
from include.evaluation.traffic import Answered
from include.golden import drift
from include.stages.queries import forget_queries
from include.storage.files import local_path
from include.storage.query_log import Outcome, QueryLog
from tests.small_lake import made

WORDS = [f"word{at}" for at in range(12)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Twelve documents in a lake that is made once."""
    documents = {f"{word}.md": f"# About {word}\n\nThe {word} is described.\n" for word in WORDS}
    return made(tmp_path_factory.mktemp("filled"), documents, RAG_CHUNK_TOKENS="64")


@pytest.fixture
def lake(filled, world, tmp_path):
    """Makes a platform on a copy of it; golden questions about its documents."""
    shutil.copytree(filled, tmp_path / "lake")
    lines = [
        {"id": word, "question": f"what is known about the {word}", "relevant": {f"{word}.md": 1}}
        for word in WORDS
    ]
    (tmp_path / "golden.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return lambda **changed: world(RAG_CHUNK_TOKENS="64", **changed)


def log(platform, *texts: str, keeps: str = "text", mode: str = "hybrid", days_ago: int = 0,
        scores: tuple[float, ...] = (1.0,)) -> None:  # fmt: skip
    at = datetime.now(UTC) - timedelta(days=days_ago)
    held = QueryLog(lambda: platform.lake.objects, keeps, clock=lambda: at)
    for text in texts:
        held.note(text, Outcome("search", platform.live_index(), mode, 10, scores, 0.01))


def traffic(platform, tmp_path, **more):
    asked = Asked(tmp_path / "golden.jsonl", mode="vector", **more)
    return evaluate(platform, asked)[0]["traffic"]


def alike(count: int) -> list[str]:
    """Different queries in the words of the golden questions."""
    return [f"what is known about the {WORDS[at % 12]} {'?' * (at // 12)}" for at in range(count)]


OTHER = [f"how do I cancel order number {at}" for at in range(20)] + [
    f"my invoice {at} was paid twice" for at in range(15)
]


def test_without_a_log_nothing_is_told(lake, tmp_path):
    assert traffic(lake(), tmp_path) is None


def test_queries_like_the_golden_questions_are_represented(lake, tmp_path):
    log(platform := lake(), *alike(36))
    found = traffic(platform, tmp_path)
    assert (found["represents"], found["queries"], found["compared"]) == (True, 36, 36)
    assert found["note"].startswith("The golden questions ask what people ask")


def test_other_queries_are_not_and_become_suggestions_by_topic(lake, tmp_path):
    log(platform := lake(), *alike(12), *OTHER, OTHER[0], OTHER[0])
    found = traffic(platform, tmp_path)
    assert found["represents"] is False
    assert "no longer represent what people ask" in found["note"]
    assert found["distances"]["far_share"] == pytest.approx(37 / 49)
    first, second = found["suggestions"][:2]
    assert first["text"].startswith("how do I cancel")
    assert second["text"].startswith("my invoice")
    assert first["queries"] > second["queries"] > 5


def test_queries_beyond_the_days_do_not_count(lake, tmp_path):
    log(platform := lake(), *OTHER, days_ago=20)
    log(platform, "one today")
    assert traffic(platform, tmp_path)["queries"] == 36
    assert traffic(platform, tmp_path, traffic_days=7)["queries"] == 1
    with pytest.raises(ConfigurationError, match="--traffic-days should be >= 1"):
        traffic(platform, tmp_path, traffic_days=0)


def test_hashes_tell_how_queries_went_and_no_more(lake, tmp_path):
    log(platform := lake(), "a", "b", keeps="hashed")
    log(platform, "c", keeps="hashed", scores=())
    found = traffic(platform, tmp_path)
    assert (found["queries"], found["without_hits"], found["distances"]) == (3, 1, None)
    assert "only hashes" in found["note"]
    assert "33% of the queries found nothing" in found["note"]


def test_a_query_that_no_model_reads_whole_is_left_out(lake, tmp_path):
    log(platform := lake(), *alike(30), "word " * 300)
    found = traffic(platform, tmp_path)
    assert (found["different"], found["compared"]) == (31, 30)


def test_low_scores_are_low_against_golden_questions_in_the_same_mode(lake, tmp_path):
    platform = lake()
    log(platform, *alike(30), mode="vector", scores=(0.9,))
    log(platform, *OTHER, mode="vector", scores=(0.01,))
    log(platform, "few", mode="text", scores=(0.01,))
    found = traffic(platform, tmp_path)
    assert (found["low_score"], found["scored"], found["compared"]) == (35, 65, 66)
    assert found["low_score_share"] == pytest.approx(35 / 65)


def test_queries_are_embedded_once_and_apart_from_documents(lake, tmp_path):
    log(platform := lake(), *alike(30))
    cached = platform.cache.count()
    traffic(platform, tmp_path)
    assert platform.cache.count() == cached
    embedder = lake().query_embedder
    embedder.embed_documents(alike(30))
    assert (embedder.usage.embedded, embedder.usage.reused) == (0, 30)


def test_at_most_so_many_queries_are_embedded_the_same_ones_each_time(lake, tmp_path, monkeypatch):
    monkeypatch.setattr(drift, "MOST_QUERIES", 31)
    log(platform := lake(), *OTHER)
    one, two = traffic(platform, tmp_path), traffic(lake(), tmp_path)
    assert (one["different"], one["compared"]) == (35, 31)
    assert one == two


def test_what_people_asked_is_in_the_page_until_the_log_forgets_it_and_not_in_the_history(
    lake, tmp_path
):
    log(platform := lake(), *OTHER, "<script>alert('cancel')</script> number")
    page = tmp_path / "page.html"
    asked = Asked(tmp_path / "golden.jsonl", mode="vector", report=page)
    evaluate(platform, asked)
    (stored,) = (tmp_path / "lake" / "evaluations").iterdir()
    for html in (page.read_text(), stored.read_text()):
        assert "cancel order number" in html
        assert "no longer represent" in html
        assert "<script>" not in html
    (row,) = platform.tables.evaluations.read(["report"])["report"]
    assert "order" not in row
    assert json.loads(row)["traffic"]["represents"] is False
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    forget_queries(platform.lake, platform.database, platform.query_log, before=tomorrow)
    assert "order number" not in stored.read_text()
    assert "no longer represent" in stored.read_text()
    assert local_path(json.loads(row)["report"]) == stored


def test_a_person_reads_the_note_and_the_suggestions(lake, tmp_path):
    log(platform := lake(), *OTHER)
    answer, _ = evaluate(platform, Asked(tmp_path / "golden.jsonl", mode="vector"))
    said = show.evaluation(answer)
    assert "35 real queries: The golden questions no longer represent" in said
    assert "× 'how do I cancel order" in said


def test_a_page_about_little_says_so_and_shows_no_table_of_suggestions():
    html = "".join(section(Traffic(30, 5, Answered(2, 0, 0, 0), 0, 0, problem="Only <hashes>.")))
    assert "Only &lt;hashes&gt;." in html
    assert "suggestions" not in html
    held = Traffic(
        30, 5, Answered(2, 0, 0, 0), 1, 1, suggestions=(Suggestion("0" * 32, "t", 1, 1),)
    )
    assert held.without_texts().suggestions == ()
