"""The demo's documents: the long descriptions of the Python distributions installed here.

Each becomes `<name>.md`, `.rst` or `.txt`, with its metadata beside it in `<name>.meta.json`. A
file whose content is unchanged is not touched, so its modification time keeps telling the truth.

    python -m tools.export_readmes [FOLDER]
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import distributions
from pathlib import Path

from tools.console import run_program, say

DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / ".demo" / "corpus"
SUFFIXES = {"text/markdown": ".md", "text/x-rst": ".rst", "text/plain": ".txt"}
HOMEPAGE_LABELS = ("homepage", "home page", "home", "repository", "source", "source code", "documentation")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Readme:
    """One distribution's long description and what describes it."""

    name: str
    suffix: str
    text: str
    metadata: Mapping[str, object]

    def files(self) -> dict[str, bytes]:
        """The two files it becomes, by file name."""
        sidecar = json.dumps(self.metadata, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        return {
            self.name + self.suffix: _encoded(self.text),
            self.name + ".meta.json": _encoded(sidecar),
        }


@dataclass(frozen=True, slots=True)
class Export:
    """What an export did, and the size of all documents in bytes."""

    documents: int
    document_bytes: int
    written: int
    removed: int


def readme_of(metadata: Message) -> Readme | None:
    """The readme in a distribution's core metadata; None when it has no name or no description."""
    name = re.sub(r"[-_.]+", "-", str(metadata.get("Name") or "")).lower()
    text = str(metadata.get("Description") or metadata.get_payload() or "")
    if not name or not text.strip() or text.strip().upper() == "UNKNOWN":
        return None
    kind = str(metadata.get("Description-Content-Type") or "").partition(";")[0].strip().lower()
    return Readme(
        name,
        SUFFIXES.get(kind, ".rst" if not kind else ".txt"),
        text if text.endswith("\n") else text + "\n",
        {
            "title": name,
            "name": name,
            "version": str(metadata.get("Version") or ""),
            "license": license_of(metadata),
            "summary": _known(metadata.get("Summary")),
            "keywords": keywords_of(metadata),
            "homepage": homepage_of(metadata),
        },
    )


def license_of(metadata: Message) -> str:
    """The licence expression; else the trove classifier's; else the first line of the text."""
    classifiers = (str(entry) for entry in metadata.get_all("Classifier") or [])
    trove = [entry.rpartition("::")[2].strip() for entry in classifiers if entry.startswith("License ::")]  # fmt: skip
    lines = _known(metadata.get("License")).splitlines()
    return _known(metadata.get("License-Expression")) or ", ".join(trove) or (lines or [""])[0]


def keywords_of(metadata: Message) -> list[str]:
    """Keywords in the order given, split at commas, or at spaces where there are no commas."""
    text = _known(metadata.get("Keywords"))
    words = text.split(",") if "," in text else text.split()
    return [word.strip() for word in words if word.strip()]


def homepage_of(metadata: Message) -> str:
    """`Home-page`, or the project URL that comes closest to one."""
    urls: dict[str, str] = {}
    for entry in metadata.get_all("Project-URL") or []:
        label, _, url = str(entry).partition(",")
        urls.setdefault(label.strip().lower(), url.strip())
    named = [urls[label] for label in HOMEPAGE_LABELS if label in urls]
    return _known(metadata.get("Home-page")) or (named or [""])[0]


def export(readmes: Iterable[Readme], folder: Path) -> Export:
    """Makes the folder hold exactly these documents; the first of two with one name wins."""
    folder.mkdir(parents=True, exist_ok=True)
    documents: dict[str, Readme] = {}
    for readme in readmes:
        documents.setdefault(readme.name, readme)
    files = {name: body for readme in documents.values() for name, body in readme.files().items()}
    written = sum(_write(folder / name, body) for name, body in sorted(files.items()))
    stale = [path for path in folder.iterdir() if path.is_file() and path.name not in files]
    for path in stale:
        path.unlink()
    sizes = (len(_encoded(readme.text)) for readme in documents.values())
    return Export(len(documents), sum(sizes), written, len(stale))


def main(arguments: Sequence[str] = ()) -> int:
    """Exports the distributions of this interpreter, and says how many and how large."""
    folder = Path(arguments[0]) if arguments else DEFAULT_FOLDER
    metadata = (distribution.metadata for distribution in distributions())
    found = (readme_of(message) for message in metadata if isinstance(message, Message))
    result = export((readme for readme in found if readme), folder)
    changes = f"{result.written} files written, {result.removed} removed"
    say(
        f"{result.documents} documents, {result.document_bytes / 1e6:.1f} MB, in {folder} "
        f"({changes if result.written or result.removed else 'unchanged'})"
    )
    return 0


def _known(value: object) -> str:
    text = str(value or "").strip()
    return "" if text.upper() == "UNKNOWN" else text


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="replace")


def _write(path: Path, body: bytes) -> bool:
    """Writes in one step if the content differs; says whether it did."""
    if path.is_file() and path.read_bytes() == body:
        return False
    scratch = path.with_name("." + path.name + ".new")
    scratch.write_bytes(body)
    scratch.replace(path)
    return True


if __name__ == "__main__":
    run_program(lambda: main(sys.argv[1:]), resume="python -m tools.export_readmes")
