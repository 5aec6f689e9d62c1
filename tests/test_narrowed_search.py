"""Search and answers narrowed by filters, access labels and distinct documents, end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.commands.ingest import Switches, sync
from include.commands.main import main
from include.embedding.fake import FakeEmbedder

BODY = "The growing delay between calls is doubled after every failure of the {0} server."


@pytest.fixture
def shell(environment, monkeypatch):
    environment["RAG_METADATA_FIELDS"] = "year:int department:text tags:list"
    environment["RAG_METADATA_PATTERNS"] = "{department}/{year}/*"
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return main


@pytest.fixture
def filled(shell, inbox, capsys):
    write(inbox / "hr/2023/old.md", "---\ntags: [x, y]\n---\n" + BODY.format("old"))
    write(inbox / "hr/2024/new.md", "---\nacl: hr, board\n---\n" + BODY.format("new"))
    write(inbox / "it/2024/plan.md", "---\nyear: 2025\n---\n" + BODY.format("plan"))
    write(inbox / "it/2024/secret.md", BODY.format("secret"))
    write(inbox / "it/2024/secret.md.meta.json", json.dumps({"acl": ["it"], "department": "board"}))
    write(inbox / "it/soon/draft.md", BODY.format("draft"))
    assert shell(["sync"]) == 0
    capsys.readouterr()
    return shell


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def found(capsys, shell, *options: str) -> list[str]:
    assert shell(["search", "growing delay", "--json", *options]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    return sorted(hit["uri"].rsplit("/", 1)[1] for hit in hits)


NARROWED = [
    ([], ["draft.md", "new.md", "old.md", "plan.md", "secret.md"]),
    (["--filter", "department = 'hr' and year >= 2024"], ["new.md"]),
    (["--filter", "year = 2025"], ["plan.md"]),
    (["--filter", "year is null"], ["draft.md"]),
    (["--filter", "tags contains 'x'"], ["old.md"]),
    (["--filter", "department = 'board'"], ["secret.md"]),
    (["--as", ""], ["draft.md", "old.md", "plan.md"]),
    (["--as", "hr"], ["draft.md", "new.md", "old.md", "plan.md"]),
    (["--as", "hr", "--as", "it", "--filter", "year = 2024"], ["new.md", "secret.md"]),
]


@pytest.mark.parametrize("mode", ["hybrid", "vector", "text"])
def test_a_search_finds_what_is_asked_for_and_may_be_seen(filled, capsys, mode):
    for options, expected in NARROWED:
        assert (options, found(capsys, filled, "--mode", mode, *options)) == (options, expected)


def test_an_answer_cites_nothing_that_the_reader_may_not_see(filled, capsys):
    question = ["ask", "How is the growing delay of the secret server doubled?", "--json"]
    assert filled([*question, "--as", "it"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert any(cited["uri"].endswith("secret.md") for cited in answer["citations"])
    assert filled([*question, "--as", "hr", "--filter", "year < 2026"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["citations"]
    assert not any(cited["uri"].endswith("secret.md") for cited in answer["citations"])
    assert filled(["trace", answer["trace_id"], "--json"]) == 0
    trace = json.loads(capsys.readouterr().out)
    assert trace["narrowed"] == {"filter": "year < 2026", "principals": ["hr"]}


def test_hits_show_the_page_where_there_is_one_and_never_the_labels(filled, capsys):
    filled(["search", "growing delay", "--json"])
    answer = capsys.readouterr().out
    assert "acl" not in answer
    assert '"page"' not in answer


def test_a_filter_that_cannot_be_read_is_a_usage_error(filled, capsys):
    for command in ("search", "ask"):
        assert filled([command, "delay", "--filter", "colour = 'red'"]) == 2
        told = capsys.readouterr().err
        assert "position 1" in told
        assert "department, lang, language, page, tags" in told


def test_a_label_that_cannot_be_one_is_a_usage_error(filled, capsys):
    assert filled(["search", "delay", "--as", "a,,b"]) == 2
    assert "--as" in capsys.readouterr().err


def test_a_value_of_another_kind_is_reported_with_the_document(filled, capsys):
    filled(["search", "delay", "--filter", "year is null", "--json"])
    (hit,) = json.loads(capsys.readouterr().out)["hits"]
    assert hit["metadata"]["year"] == "soon"
    assert hit["metadata"]["_invalid"] == ["year"]


def test_a_document_whose_acl_is_unusable_is_set_aside(filled, inbox, capsys):
    write(inbox / "it/2024/open.md", "---\nacl: ''\n---\n" + BODY.format("open"))
    filled(["sync"])
    capsys.readouterr()
    assert filled(["quarantine", "list", "--json"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["items"]
    assert item["reason"] == "bad_acl"


def test_a_changed_acl_holds_after_the_next_sync_and_embeds_nothing(world, inbox):
    write(inbox / "a.md", BODY.format("a"))
    sync(world())
    write(inbox / "a.md.meta.json", json.dumps({"acl": "hr"}))
    receipt, _ = sync(changed := world())
    assert (receipt["metadata"], receipt["published"], receipt["embedded"]) == (1, 1, 0)
    assert isinstance(changed.embedder, FakeEmbedder)
    assert changed.embedder.embedded == []
    scope = changed.scope(None, [])
    assert changed.store.search_text(changed.index_name, "delay", 9, scope) == []


def test_a_changed_default_acl_holds_after_a_rebuild_and_embeds_nothing(world, inbox):
    write(inbox / "a.md", BODY.format("a"))
    sync(world())
    receipt, _ = sync(changed := world(RAG_DEFAULT_ACL="staff"), Switches(rebuild=True))
    assert (receipt["published"], receipt["embedded"]) == (1, 0)
    for labels, count in (([], 0), (["staff"], 1)):
        scope = changed.scope(None, labels)
        assert len(changed.store.search_text(changed.index_name, "delay", 9, scope)) == count


def test_a_newly_declared_field_can_be_filtered_on_after_a_sync_that_changes_nothing(world, inbox):
    write(inbox / "a.md", "---\nlevel: 3\n---\n" + BODY.format("a"))
    sync(world(RAG_METADATA_FIELDS="year:int"))
    receipt, _ = sync(declared := world(RAG_METADATA_FIELDS="level:int"))
    assert (receipt["unchanged"], receipt["published"], receipt["embedded"]) == (1, 0, 0)
    scope = declared.scope("level = 3", None)
    assert len(declared.store.search_text(declared.index_name, "delay", 9, scope)) == 1


@pytest.fixture
def copied(filled, inbox, capsys):
    words = " ".join(f"word{n} and" for n in range(300))
    write(inbox / "law/1/a.md", f"Zebra crossings. {words}")
    write(inbox / "law/2/b.md", f"Zebra crossings. {words} amended")
    write(inbox / "law/3/c.md", f"Zebra crossings. {words}")
    write(inbox / "law/4/d.md", "Zebra crossings are striped.")
    assert filled(["sync"]) == 0
    capsys.readouterr()
    return filled


def test_distinct_results_hold_one_document_of_each_near_duplicate_group(copied, capsys):
    def documents(*options: str) -> set[str]:
        copied(["search", "zebra crossings", "-k", "20", "--mode", "text", "--json", *options])
        hits = json.loads(capsys.readouterr().out)["hits"]
        return {hit["uri"].rsplit("/", 1)[1] for hit in hits}

    assert documents() == {"a.md", "b.md", "c.md", "d.md"}
    distinct = documents("--dedupe")
    assert "d.md" in distinct
    assert len(distinct) == 2
    assert documents("--no-dedupe") == documents()


def test_the_setting_makes_results_distinct_by_default(copied, capsys, monkeypatch):
    monkeypatch.setenv("RAG_DEDUPLICATE_RESULTS", "true")
    copied(["search", "zebra crossings", "--json", "--mode", "text"])
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert len({hit["document_id"] for hit in hits}) == 2


def test_duplicates_lists_groups_and_status_counts_them(copied, capsys):
    assert copied(["duplicates", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["threshold"] == 0.9
    copies, servers = answer["groups"][0], answer["groups"][1:]
    assert [d["uri"].rsplit("/", 1)[1] for d in copies["documents"]] == ["a.md", "b.md", "c.md"]
    assert 0.9 <= copies["likeness"] <= 1
    assert servers == []
    assert copied(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["near_duplicates"] == 2
    assert copied(["duplicates", "--threshold", "0.5"]) == 0
    assert "a.md" in capsys.readouterr().out
    assert copied(["duplicates", "--threshold", "1.5"]) == 2
    assert "from 0.5 to 1, is 1.5" in capsys.readouterr().err


def test_signatures_are_made_once_for_each_text(world, inbox):
    write(inbox / "a.md", BODY.format("a"))
    write(inbox / "b.md", BODY.format("a"))
    sync(first := world())
    assert first.tables.signatures.count() == 1
    version = first.tables.signatures.version()
    write(inbox / "b.md.meta.json", json.dumps({"year": 2024}))
    sync(again := world())
    assert again.tables.signatures.version() == version


def test_a_lake_older_than_signatures_gets_them_when_duplicates_are_listed(world, inbox):
    from include.commands.duplicates import duplicates

    write(inbox / "a.md", BODY.format("a"))
    write(inbox / "b.md", BODY.format("a").upper())
    sync(old := world())
    old.database.drop("signatures")
    assert len(duplicates(world(), 0.9)["groups"]) == 1
    assert old.tables.signatures.count() == 2


HOSTILE = {
    "surrogate": rb'{"x": "\ud800", "y\udfff": 1, "title": "t\ud800", "tags": ["\ud800"]}',
    "endless": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep": b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}",
    "infinite": b'{"year": NaN, "department": Infinity}',
    "digits": b'{"year": ' + b"9" * 4_000 + b"}",
    "more digits": b'{"year": ' + b"9" * 5_000 + b"}",
    "zero": rb'{"department": "\u0000", "tags": ["a\u0000b"]}',
    "blank keys": b'{"": 1, " ": 2, "-": 3, "_invalid": 4, "Acl": ["x"]}',
    "huge": b'{"a": "' + b"x" * 1_000_000 + b'"}',
    "many": json.dumps({f"key{n}": n for n in range(5_000)}).encode(),
    "sql": json.dumps({"department": "'; drop table chunks; --", "tags": "a'b"}).encode(),
}


def test_hostile_sidecars_are_searchable_or_set_aside_and_harm_no_neighbour(
    shell, inbox, capsys, monkeypatch
):
    monkeypatch.setenv("RAG_MAX_BAD_FRACTION", "1")
    for name, sidecar in HOSTILE.items():
        write(inbox / f"a/1/{name}.md", BODY.format(name))
        (inbox / f"a/1/{name}.md.meta.json").write_bytes(sidecar)
    assert shell(["sync"]) == 0
    capsys.readouterr()
    shell(["quarantine", "list", "--json"])
    items = json.loads(capsys.readouterr().out)["items"]
    reasons = {item["uri"].rsplit("/", 1)[1].removesuffix(".md"): item["reason"] for item in items}
    assert reasons == {
        "endless": "bad_sidecar",
        "more%20digits": "bad_sidecar",
        "deep": "metadata_too_large",
        "huge": "metadata_too_large",
        "many": "metadata_too_large",
    }
    quoted = "'''; drop table chunks; --'"
    assert found(capsys, shell, "--filter", f"department = {quoted}") == ["sql.md"]
    assert found(capsys, shell, "--filter", "department = '\x00'") == ["zero.md"]
    assert len(found(capsys, shell, "--mode", "text", "-k", "20")) == len(HOSTILE) - len(reasons)
