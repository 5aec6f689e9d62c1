"""A real corpus from what every machine with the requirements installed has.

Three kinds of documents: the readmes of the installed distributions (Markdown, reStructuredText,
text), docstrings of Python modules (text), and chapters of the AWS API reference that botocore
carries (HTML). The same versions installed, the same documents, byte by byte.

    python -m tests.benchmarks.corpus FOLDER [--documents 2000] [--small]
"""

from __future__ import annotations

import argparse
import ast
import gzip
import importlib.util
import json
import os
import random
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from html import escape
from importlib.metadata import distributions
from itertools import islice
from pathlib import Path
from typing import Any

from tools.export_readmes import readme_of

SEED = 7
WRITTEN = 1_767_225_600  # 2026-01-01: settled, and the same in every copy
DOCSTRING_SHARE = 0.2
CHAPTERS_PER_SERVICE = 12
PACKAGES = ("numpy", "polars", "pyarrow", "sqlalchemy")


@dataclass(frozen=True, slots=True)
class Page:
    """One document: its file name and its bytes."""

    name: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Sizes:
    """The bytes of a document: the least, the most, and the middle that chapters aim at."""

    least: int
    most: int
    middle: int


USUAL = Sizes(600, 48_000, 7_000)
SMALL = Sizes(1_500, 4_800, 3_000)
"""About three chunks of 256 tokens each."""


def corpus(documents: int = 2_000, *, small: bool = False, seed: int = SEED) -> list[Page]:
    """That many documents, in a random order which the seed decides."""
    sizes, chance = SMALL if small else USUAL, random.Random(seed)
    pages = _fitting(readmes(), sizes)
    docstring_pages = _fitting(docstrings(), sizes)
    chance.shuffle(docstring_pages)
    pages += docstring_pages[: int(documents * DOCSTRING_SHARE)]
    pages = pages[:documents]
    chapters = (page for page in aws_chapters(sizes, chance) if _fits(page, sizes))
    pages += islice(chapters, documents - len(pages))
    if len(pages) < documents:
        raise SystemExit(f"Only {len(pages)} documents of {sizes} are installed, not {documents}.")
    chance.shuffle(pages)
    return pages


def write(pages: Iterable[Page], folder: Path) -> None:
    """Writes the documents with a modification time in the past, as a settled source has."""
    folder.mkdir(parents=True, exist_ok=True)
    for page in pages:
        path = folder / page.name
        path.write_bytes(page.body)
        os.utime(path, (WRITTEN, WRITTEN))


def readmes() -> Iterator[Page]:
    """The long description of every distribution installed here, by name."""
    found = (distribution.metadata for distribution in distributions())
    texts = {r.name: r for m in found if isinstance(m, Message) and (r := readme_of(m))}
    for name, readme in sorted(texts.items()):
        yield Page(f"readme-{name}{readme.suffix}", readme.text.encode("utf-8", "replace"))


def docstrings() -> Iterator[Page]:
    """One text per module of the standard library and of some packages: all of its docstrings."""
    roots = [Path(sysconfig.get_path("stdlib"))]
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        roots += [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    for root in roots:
        label = "python" if root == roots[0] else root.name
        for path in sorted(root.rglob("*.py") if root != roots[0] else root.glob("*.py")):
            module = ".".join(path.relative_to(root).with_suffix("").parts)
            text = _docstrings_of(path, f"{label}.{module}")
            if text:
                yield Page(f"docstrings-{label}-{module}.txt", text.encode("utf-8", "replace"))


def aws_chapters(sizes: Sizes, chance: random.Random) -> Iterator[Page]:
    """Chapters of the AWS API reference: successive operations of a service, as HTML."""
    spec = importlib.util.find_spec("botocore")
    root = Path(spec.origin).parent / "data" if spec and spec.origin else Path()
    files = sorted(root.glob("*/*/service-2.json*"))
    chance.shuffle(files)
    for file in files:
        raw = file.read_bytes()
        model = json.loads(gzip.decompress(raw) if file.suffix == ".gz" else raw)
        service = f"{file.parent.parent.name}-{file.parent.name}"
        for number, operations in enumerate(_chapters(model, sizes, chance)):
            body = "\n".join(text for _, text in operations)
            names = f"{operations[0][0]} to {operations[-1][0]}"
            title = f"{model['metadata'].get('serviceFullName', service)}: {names}"
            page = f"<!DOCTYPE html>\n<html><head><title>{escape(title)}</title></head>\n<body>\n{body}\n</body></html>\n"
            yield Page(f"aws-{service}-{number:02d}.html", page.encode())


def _chapters(
    model: Mapping[str, Any], sizes: Sizes, chance: random.Random
) -> Iterator[list[tuple[str, str]]]:
    chapter: list[tuple[str, str]] = []
    target, made, length = 0.0, 0, 0
    for name, operation in sorted(model["operations"].items()):
        target = target or chance.lognormvariate(0, 0.8) * sizes.middle
        section = _operation(name, operation, model["shapes"])
        if chapter and length + len(section) > sizes.most:
            yield chapter
            chapter, length, target, made = [], 0, 0.0, made + 1
        chapter.append((name, section))
        length += len(section)
        if length >= min(target, sizes.most):
            yield chapter
            chapter, length, target, made = [], 0, 0.0, made + 1
        if made >= CHAPTERS_PER_SERVICE:
            return


def _operation(name: str, operation: Mapping[str, Any], shapes: Mapping[str, Any]) -> str:
    parts = [f"<h1>{escape(name)}</h1>", operation.get("documentation") or ""]
    for title, side in (("Request", "input"), ("Response", "output")):
        members = _members(shapes.get(operation.get(side, {}).get("shape"), {}), shapes, 2)
        if members:
            parts += [f"<h2>{title}</h2>", members]
    return "\n".join(parts)


def _members(shape: Mapping[str, Any], shapes: Mapping[str, Any], depth: int) -> str:
    lines = []
    for name, member in shape.get("members", {}).items():
        inner = shapes.get(member["shape"], {})
        inner = shapes.get(inner.get("member", {}).get("shape"), inner)
        nested = _members(inner, shapes, depth - 1) if depth > 1 else ""
        documented = member.get("documentation") or inner.get("documentation") or ""
        lines.append(f"<dt><code>{escape(name)}</code></dt><dd>{documented}{nested}</dd>")
    return "<dl>\n" + "\n".join(lines) + "\n</dl>" if lines else ""


def _docstrings_of(path: Path, module: str) -> str:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return ""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    found = [(getattr(node, "name", module), ast.get_docstring(node)) for node in nodes]
    return "\n\n".join(f"{name}\n\n{text}" for name, text in found if text)


def _fits(page: Page, sizes: Sizes) -> bool:
    return sizes.least <= len(page.body) <= sizes.most


def _fitting(pages: Iterable[Page], sizes: Sizes) -> list[Page]:
    return [page for page in pages if _fits(page, sizes)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=2_000)
    parser.add_argument("--small", action="store_true", help="documents of about three chunks")
    options = parser.parse_args(arguments)
    pages = corpus(options.documents, small=options.small)
    write(pages, options.folder)
    sizes = sorted(len(page.body) for page in pages)
    print(f"{len(pages)} documents, {sum(sizes) / 1e6:.1f} MB, median {sizes[len(sizes) // 2]} B")


if __name__ == "__main__":
    main()
