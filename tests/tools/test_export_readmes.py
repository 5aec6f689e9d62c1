"""The demo's corpus: readmes of distributions, written only where they changed."""

from __future__ import annotations

import json
import os
from email.message import Message
from pathlib import Path

import pytest

from tools.export_readmes import Export, Readme, export, readme_of

LONG_AGO = 1_000_000_000


def _metadata(body: str = "A library.", **fields: str | list[str]) -> Message:
    message = Message()
    for name, value in ({"Name": "Some_Lib", "Version": "1.2"} | fields).items():
        for each in [value] if isinstance(value, str) else value:
            message[name.replace("_", "-")] = each
    message.set_payload(body)
    return message


def _readme(**fields: str | list[str]) -> Readme:
    readme = readme_of(_metadata(**fields))
    assert readme
    return readme


@pytest.mark.parametrize(
    ("content_type", "suffix"),
    [
        ("text/markdown; charset=UTF-8; variant=GFM", ".md"),
        ("TEXT/X-RST", ".rst"),
        ("text/plain", ".txt"),
        ("", ".rst"),
        ("application/unheard-of", ".txt"),
    ],
)
def test_the_suffix_follows_the_content_type(content_type: str, suffix: str) -> None:
    assert _readme(Description_Content_Type=content_type).suffix == suffix


@pytest.mark.parametrize("body", ["", "  \n", "UNKNOWN", "unknown\n"])
def test_a_distribution_without_a_description_is_left_out(body: str) -> None:
    assert readme_of(_metadata(body)) is None


def test_metadata_is_taken_from_wherever_a_distribution_states_it() -> None:
    readme = _readme(
        License="UNKNOWN",
        Classifier=["License :: OSI Approved :: MIT License", "Topic :: Software"],
        Keywords="retry, backoff",
        Summary="Tries again",
        Project_URL=["Changelog, https://x.test/changes", "Homepage, https://x.test"],
    )
    assert readme.metadata == {
        "title": readme.name,
        "name": "some-lib",
        "version": "1.2",
        "license": "MIT License",
        "summary": "Tries again",
        "keywords": ["retry", "backoff"],
        "homepage": "https://x.test",
    }


def test_the_first_line_of_a_license_text_stands_for_it() -> None:
    assert _readme(License="Apache 2.0\n\nlong text").metadata["license"] == "Apache 2.0"


def test_an_unchanged_file_keeps_its_modification_time(tmp_path: Path) -> None:
    first, second = _readme(Name="one"), _readme(Name="two")
    export([first, second], tmp_path)
    for path in tmp_path.iterdir():
        os.utime(path, (LONG_AGO, LONG_AGO))
    changed = Readme("two", ".rst", "New text.\n", second.metadata)
    assert export([first, changed], tmp_path).written == 1
    touched = {path.name for path in tmp_path.iterdir() if path.stat().st_mtime != LONG_AGO}
    assert touched == {"two.rst"}


def test_a_distribution_that_is_gone_or_changed_its_format_leaves_no_file(tmp_path: Path) -> None:
    export([_readme(Name="one"), _readme(Name="two")], tmp_path)
    result = export([_readme(Name="two", Description_Content_Type="text/markdown")], tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"two.md", "two.meta.json"}
    assert result == Export(documents=1, document_bytes=11, written=1, removed=3)


def test_broken_characters_in_metadata_do_not_stop_the_export(tmp_path: Path) -> None:
    readme = readme_of(_metadata("bad \udce9 byte", Summary="caf\udce9"))
    assert readme
    export([readme], tmp_path)
    summary = json.loads((tmp_path / "some-lib.meta.json").read_text())["summary"]
    assert summary.startswith("caf")
    assert (tmp_path / "some-lib.rst").read_text().startswith("bad ")
