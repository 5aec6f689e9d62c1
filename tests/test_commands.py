"""The command line as a person or a script meets it: output, JSON, exit status, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from include.commands.main import main
from include.settings import REPOSITORY


@pytest.fixture
def shell(environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return main


def as_json(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def filled(shell, inbox, capsys):
    (inbox / "retry.md").write_text("# Retry\n\nRetries failing calls with a growing delay.\n")
    (inbox / "cache.md").write_text("# Cache\n\nKeeps results of pure functions in memory.\n")
    assert shell(["sync"]) == 0
    capsys.readouterr()
    return shell


def test_a_plan_of_another_index_is_told_in_words(filled, capsys):
    assert filled(["plan", "--target", "RAG_EMBEDDER=fake:48"]) == 0
    told = capsys.readouterr().out
    assert "2 of 2 documents are missing" in told
    assert "tokens, $0)" in told
    assert "--batch-api" not in told


def test_plan_and_sync_print_the_contract_keys(shell, inbox, capsys):
    (inbox / "one.txt").write_text("The first document.")
    assert shell(["plan", "--json"]) == 0
    planned = as_json(capsys)
    assert {"added", "changed", "moved", "removed", "unchanged", "chunks", "chunks_to_embed",
            "tokens_to_embed", "estimated_cost_usd"} <= set(planned)  # fmt: skip
    assert shell(["sync", "--json"]) == 0
    receipt = as_json(capsys)
    assert set(planned) | {"run_id", "embedded", "reused", "published", "retracted",
            "quarantined", "cost_usd", "seconds"} <= set(receipt)  # fmt: skip
    assert (receipt["added"], receipt["embedded"]) == (planned["added"], planned["chunks_to_embed"])


def test_search_prints_the_contract_keys_best_first(filled, capsys):
    assert filled(["search", "retries failing calls", "-k", "2", "--json"]) == 0
    found = as_json(capsys)
    assert {"index", "hits"} <= set(found)
    assert {"chunk_id", "document_id", "uri", "version", "title", "heading", "text", "start",
            "end", "score", "metadata"} <= set(found["hits"][0])  # fmt: skip
    assert found["hits"][0]["uri"].endswith("/retry.md")
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("mode", ["vector", "text", "hybrid"])
def test_every_mode_finds_the_document_that_has_the_words(filled, capsys, mode):
    assert filled(["search", "pure functions in memory", "--mode", mode, "--json"]) == 0
    assert as_json(capsys)["hits"][0]["uri"].endswith("/cache.md")


def test_ask_cites_its_source_and_leaves_a_trace(filled, capsys):
    assert filled(["ask", "Which one retries failing calls?", "--json"]) == 0
    answer = as_json(capsys)
    assert {"answer", "citations", "model", "prompt", "index", "usage", "cost_usd",
            "trace_id"} <= set(answer)  # fmt: skip
    assert answer["citations"][0]["uri"].endswith("/retry.md")
    assert filled(["trace", answer["trace_id"], "--json"]) == 0
    assert as_json(capsys)["trace_id"] == answer["trace_id"]


def test_an_unknown_trace_is_told_by_name(filled, capsys):
    assert filled(["trace", "no-such-trace"]) == 2
    assert "no-such-trace" in capsys.readouterr().err


def test_status_prints_the_contract_keys(filled, capsys):
    assert filled(["status", "--json"]) == 0
    status = as_json(capsys)
    assert {"documents", "chunks", "embeddings", "quarantined", "live_index", "indexes",
            "last_sync", "spend_today_usd"} <= set(status)  # fmt: skip
    assert (status["documents"], status["chunks"], status["quarantined"]) == (2, 2, 0)


def test_evaluate_scores_and_compares_with_a_baseline(filled, tmp_path, capsys):
    questions = tmp_path / "questions.jsonl"
    line = {"id": "1", "question": "retries failing calls", "relevant": {"retry.md": 1}}
    questions.write_text(json.dumps(line))
    assert filled(["evaluate", "--questions", str(questions), "--json"]) == 0
    report = as_json(capsys)
    assert {"ndcg@10", "recall@10", "mrr@10"} <= set(report["metrics"])
    assert report["metrics"]["ndcg@10"] == 1.0
    line["relevant"] = {"cache.md": 1}
    questions.write_text(json.dumps(line))
    baseline = tmp_path / "baseline.json"
    baseline.write_text(json.dumps(report))
    worse = ["evaluate", "--questions", str(questions), "--baseline", str(baseline)]
    assert filled(worse) == 1
    assert "fail" in capsys.readouterr().out


def test_quarantine_lists_reason_and_detail(shell, inbox, capsys):
    (inbox / "empty.txt").write_bytes(b"")
    (inbox / "good.txt").write_text("A good document.")
    shell(["sync"])
    capsys.readouterr()
    assert shell(["quarantine", "list", "--json"]) == 0
    (item,) = as_json(capsys)["items"]
    assert {"id", "uri", "version", "reason", "detail", "since"} <= set(item)
    assert item["reason"] == "empty"


def test_commands_for_people_end_in_a_plain_sentence(filled, capsys):
    for command in (["status"], ["plan"], ["sync"], ["indexes"], ["search", "calls"],
                    ["ask", "What keeps results?"], ["quarantine", "list"]):  # fmt: skip
        assert filled(command) == 0
        assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("command", [["search", "x"], ["ask", "x"], ["evaluate"]])
def test_reading_before_the_first_sync_says_what_to_do(shell, capsys, command):
    assert shell(command) == 2
    assert "python -m include sync" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "word"),
    [(["search", " "], "query"), (["search", "x", "-k", "0"], "k should be >= 1")],
)
def test_absurd_queries_are_refused_with_the_value(filled, capsys, command, word):
    assert filled(command) == 2
    assert word in capsys.readouterr().err


def test_a_missing_source_is_one_sentence_and_no_traceback(shell, inbox, capsys):
    inbox.rmdir()
    assert shell(["sync"]) == 1
    error = capsys.readouterr().err
    assert str(inbox) in error
    assert "Traceback" not in error


def test_a_lake_of_a_newer_version_is_refused(filled, tmp_path, capsys):
    (tmp_path / "lake" / "lake.json").write_text('{"format": 99}')
    assert filled(["status"]) == 1
    assert "newer version" in capsys.readouterr().err


def test_a_missing_model_is_told_with_its_name(shell, inbox, monkeypatch, capsys):
    (inbox / "one.txt").write_text("The first document.")
    monkeypatch.setenv("RAG_EMBEDDER", "local:no-such-model")
    assert shell(["sync"]) == 1
    assert "no-such-model" in capsys.readouterr().err


def test_the_module_runs_as_a_program_and_imports_no_model(filled, environment):
    code = (
        "import sys; from include.commands.main import main; status = main(['sync', '--json'])\n"
        "print([m for m in ('torch', 'sentence_transformers', 'openvino', 'great_expectations',"
        " 'transformers') if m in sys.modules], file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin", "HOME": "/nonexistent", **environment},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["embedded"] == 0
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_help_names_every_command():
    done = subprocess.run(
        [sys.executable, "-m", "include", "--help"],
        cwd=Path(REPOSITORY),
        capture_output=True,
        text=True,
        check=True,
    )
    for command in ("plan", "sync", "search", "ask", "trace", "status", "verify", "evaluate",
                    "quarantine", "prompts", "golden", "serve"):  # fmt: skip
        assert command in done.stdout
