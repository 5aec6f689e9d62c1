"""A sync under a policy: what is masked, what is set aside, and what a changed policy does."""

from __future__ import annotations

import json

from include.commands.main import main


def _sync(monkeypatch, capsys, environment, *options, **changed):
    for name, value in (environment | changed).items():
        monkeypatch.setenv(name, value)
    assert main(["sync", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def _search(capsys, text):
    assert main(["search", text, "--json"]) == 0
    return [hit["text"] for hit in json.loads(capsys.readouterr().out)["hits"]]


def _quarantined(capsys):
    assert main(["quarantine", "list", "--json"]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    return {item["uri"].rsplit("/", 1)[-1]: item["reason"] for item in items}


def test_a_policy_set_later_masks_on_the_next_reread(inbox, environment, monkeypatch, capsys):
    (inbox / "a.md").write_text("Write to jane@acme.com about the kettle.")
    (inbox / "b.md").write_text("The other page is about the lamp.")
    assert _sync(monkeypatch, capsys, environment)["added"] == 2
    assert any("jane@acme.com" in text for text in _search(capsys, "kettle"))
    policy = {"RAG_SENSITIVE": "emails=mask"}
    changed = _sync(monkeypatch, capsys, environment, "--reread", **policy)
    assert changed["embedded"] == 1
    assert not any("jane" in text for text in _search(capsys, "kettle"))
    assert any("[emails]" in text for text in _search(capsys, "kettle"))
    again = _sync(monkeypatch, capsys, environment, "--reread", **policy)
    assert (again["changed"], again["embedded"]) == (0, 0)


def test_sidecars_are_screened_too(inbox, environment, monkeypatch, capsys):
    (inbox / "a.md").write_text("All about the kettle.")
    (inbox / "a.md.meta.json").write_text('{"title": "Kettle of jane@acme.com"}')
    _sync(monkeypatch, capsys, environment, RAG_SENSITIVE="emails=mask")
    assert main(["search", "kettle", "--json"]) == 0
    output = capsys.readouterr().out
    assert "Kettle of [emails]" in output
    assert "jane" not in output


def test_what_may_not_be_indexed_is_set_aside_with_a_reason(
    inbox, environment, monkeypatch, capsys
):
    (inbox / "secret.md").write_text("The key is ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8 today.")
    (inbox / "french.md").write_text("La bibliothèque est dans le dossier et les appels aident.")
    for number in range(9):
        (inbox / f"{number}.md").write_text(f"Page {number} of the manual is about the lamp.")
    _sync(monkeypatch, capsys, environment, RAG_SENSITIVE="secrets=quarantine", RAG_LANGUAGES="en")
    assert _quarantined(capsys) == {
        "secret.md": "sensitive_content",
        "french.md": "language_not_allowed",
    }
