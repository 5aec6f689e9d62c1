"""reStructuredText's inline markup, reduced to the words a reader sees."""

from __future__ import annotations

import re
from collections.abc import Mapping

_MARKED = re.compile(r"[`*_|\\]")
_BEFORE = r"(?<![\w\\`*|])"
_AFTER = r"(?![\w`*|])"
_MARKUP = re.compile(
    rf"""
    {_BEFORE}``(?P<literal>\S(?:.{{0,500}}?\S)??)``{_AFTER}
  | {_BEFORE}(?P<embedded>`[^`<]+)<[^`>]+>`__?(?!\w)
  | {_BEFORE}(?::[\w:+.-]+:)?_?`[~!]?(?P<role>[^`\s](?:[^`]*?[^`\s])??)`(?::[\w:+.-]+:(?!`))?_{{0,2}}(?!\w)
  | {_BEFORE}\*\*(?P<strong>\S(?:.{{0,500}}?\S)??)\*\*{_AFTER}
  | {_BEFORE}\*(?P<emphasis>[^\s*](?:.{{0,500}}?[^\s\\])??)\*{_AFTER}
  | {_BEFORE}\|(?P<substitution>[^\s|](?:[^|]*?[^\s|])?)\|_{{0,2}}(?!\w)
  | (?<![\w_])\[(?P<note>\#?[\w.-]*|\*)\]_(?!\w)
  | (?<![\w_:/@.\\-])(?P<word>[A-Za-z0-9](?:[\w.+:-]*?[A-Za-z0-9])??)__?(?![\w/])
  | \\(?P<escaped>.?)
    """,
    re.VERBOSE | re.DOTALL,
)
_SPELT_OUT = {"pep": "PEP ", "pep-reference": "PEP ", "rfc": "RFC ", "rfc-reference": "RFC "}
_TARGET = re.compile(r"\s*<[^<>]*>$")


def plain(text: str, substitutions: Mapping[str, str]) -> str:
    """`text` without its inline markup: links and roles become their words.

    Markup is looked for within 500 characters, so that a stray asterisk costs no more than that.
    """
    if not _MARKED.search(text):
        return text

    def words(found: re.Match[str]) -> str:
        kind = str(found.lastgroup)
        content = found[kind]
        if kind == "substitution":
            return plain(substitutions.get(" ".join(content.split()), content), {})
        if kind == "note":
            return f"[{content}]"
        if kind == "embedded":
            return _unescaped(content[1:].rstrip())
        if kind == "role":
            label = _unescaped(_TARGET.sub("", content) or content)
            return (
                _SPELT_OUT.get(found[0].split(":")[1], "") + label if found[0][0] == ":" else label
            )
        if kind == "escaped":
            return "" if content.isspace() else content
        return content

    return _MARKUP.sub(words, text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
