"""Deterministic edits of a corpus on disk, and the long document whose paragraphs are edited."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.corpus import SEED, Page, write

SENTENCE = "As of revision {0}, operators also record the reason for every such change."


@dataclass(frozen=True, slots=True)
class Edits:
    """File names: what is edited, what is removed, what is added (held out before)."""

    edited: Sequence[str]
    removed: Sequence[str]
    added: Sequence[str]


def chosen_edits(pages: Sequence[Page], held_out: Sequence[Page], share: float = 0.01) -> Edits:
    """A share of the documents to edit, as many to remove, and the held-out ones to add."""
    names = [page.name for page in pages]
    random.Random(SEED).shuffle(names)
    count = round(len(names) * share)
    added = [page.name for page in held_out]
    return Edits(names[:count], names[count : 2 * count], added)


def edited_corpus(pages: Sequence[Page], held_out: Sequence[Page]) -> tuple[list[Page], Edits]:
    """The pages after the edits, and what they were."""
    edits = chosen_edits(pages, held_out)
    kept = [page for page in pages if page.name not in set(edits.removed)]
    number = {name: at for at, name in enumerate(edits.edited)}
    after = [
        Page(p.name, insert_sentence(p.body, number[p.name])) if p.name in number else p
        for p in kept
    ]
    return [*after, *held_out], edits


def apply(folder: Path, pages: Sequence[Page], edits: Edits) -> None:
    """Brings the folder to the edited state, touching only the files of the edits."""
    for name in edits.removed:
        (folder / name).unlink()
    changed = {*edits.edited, *edits.added}
    for page in pages:
        if page.name in changed:
            (folder / page.name).write_bytes(page.body)


def insert_sentence(body: bytes, number: int) -> bytes:
    """The document with one sentence more, at the end of a paragraph in its middle."""
    text, sentence = body.decode(), SENTENCE.format(number)
    ends = [match.start() for match in re.finditer(r"(?<=[a-z.])(?:</p>|\n\n(?=[A-Za-z]))", text)]
    middle = len(text) // 2
    at = min(ends or [len(text.rstrip())], key=lambda end: abs(end - middle))
    stop = "" if text[at - 1] == "." else "."
    return f"{text[:at]}{stop} {sentence}{text[at:]}".encode()


def prose(pages: Sequence[Page]) -> list[str]:
    """Real paragraphs of 200 to 900 characters, each once, from the HTML documents."""
    found = (
        re.findall(r"<p>(.*?)</p>", p.body.decode(), re.S)
        for p in pages
        if p.name.endswith(".html")
    )
    plain = (
        " ".join(re.sub(r"<[^>]+>|[#*_`<>&]", "", each).split()) for page in found for each in page
    )
    return list(dict.fromkeys(text for text in plain if 200 <= len(text) <= 900))


def long_document(paragraphs: Sequence[str], *, headings: bool) -> str:
    """The paragraphs as one document; with headings, a section every six of them."""
    parts = []
    for number, paragraph in enumerate(paragraphs):
        if headings and number % 6 == 0:
            parts.append(f"## Section {number // 6 + 1}")
        parts.append(paragraph)
    return "\n\n".join(parts) + "\n"


def prepare_folder(folder: Path, pages: Sequence[Page]) -> None:
    """Writes the corpus, unless the folder holds exactly it."""
    present = (
        {path.name: path.stat().st_size for path in folder.glob("*")} if folder.is_dir() else {}
    )
    if present != {page.name: len(page.body) for page in pages}:
        for name in present:
            (folder / name).unlink()
        write(pages, folder)
