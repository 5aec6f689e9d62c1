"""Jupyter notebooks: Markdown cells as Markdown, code cells as code; outputs are left out."""

from __future__ import annotations

import json
from collections.abc import Mapping

from include.documents import ParsedText
from include.errors import DocumentError
from include.parsing.blocks import BlockWriter


def parse_notebook(text: str) -> ParsedText:
    """Blocks of a notebook's cells, in their order.

    Raises DocumentError `malformed` for what is no notebook.
    """
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DocumentError("malformed", f"It is not JSON: {error}.") from error
    writer = BlockWriter()
    for cell in _cells(notebook):
        source = cell.get("source", "")
        _write(writer, str(cell.get("cell_type")), _joined(source))
    language = _language(notebook)
    return writer.finish(metadata={"programming_language": language} if language else None)


def _cells(notebook: object) -> list[Mapping[str, object]]:
    """The cells of format 4; those of format 3 lie in worksheets."""
    found = notebook.get("cells") if isinstance(notebook, dict) else None
    if found is None and isinstance(notebook, dict):
        sheets = notebook.get("worksheets")
        first = sheets[0] if isinstance(sheets, list) and sheets else None
        found = first.get("cells") if isinstance(first, dict) else None
    if not isinstance(found, list):
        raise DocumentError("malformed", "It is JSON, but no notebook: it has no list of cells.")
    return [cell | {"source": cell.get("source", cell.get("input", ""))}
            for cell in found if isinstance(cell, dict)]  # fmt: skip


def _joined(source: object) -> str:
    """A cell's text, which is stored whole or as a list of lines."""
    if isinstance(source, list):
        return "".join(str(line) for line in source)
    return source if isinstance(source, str) else ""


def _write(writer: BlockWriter, kind: str, source: str) -> None:
    if kind == "markdown":
        from include.parsing.markdown import parse_markdown

        cell = parse_markdown(source)
        for block in cell.blocks:
            writer.add(block.kind, cell.text[block.start : block.end], block.level)
    else:
        writer.add("code" if kind == "code" else "paragraph", source)


def _language(notebook: object) -> str:
    metadata = notebook.get("metadata") if isinstance(notebook, dict) else None
    about = metadata.get("language_info") if isinstance(metadata, dict) else None
    name = about.get("name") if isinstance(about, dict) else None
    return name if isinstance(name, str) else ""
