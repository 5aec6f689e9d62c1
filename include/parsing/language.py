"""The language a document is written in, found by the byte n-grams of a few short samples.

eld names the language of a sample and says whether it is sure. Its samples are short (350 bytes),
so technical prose often leaves it in doubt: then two samples that name the same language decide.
Figures for this and four other libraries are in docs/decisions/0006-eld-detects-languages.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import TYPE_CHECKING

from include.errors import DocumentError

if TYPE_CHECKING:
    from eld import LanguageDetector

UNDETERMINED = "und"
_SAMPLE = 600
_FEWEST_BYTES = 24
_FEWEST_CHARACTERS_TO_COMPARE = 200


def detect_language(text: str) -> str:
    """The ISO 639-1 code of the language most of `text` is in, or `und`; at most 1 ms."""
    opening = text[:_SAMPLE]
    if len(opening.encode("utf-8", "replace")) < _FEWEST_BYTES:
        return UNDETERMINED
    language, sure = _guess(opening)
    if language is None:
        return UNDETERMINED
    return language if sure or _confirmed(text, language) else UNDETERMINED


def require_language(language: str, allowed: Collection[str]) -> None:
    """Refuses a document in another language than those allowed; none given allow all.

    Regional variants (`de-AT`) count as their language, and what is undetermined (tables, code)
    passes. Raises DocumentError `language_not_allowed`.
    """
    code = re.split("[-_]", language.strip().lower())[0]
    if allowed and code != UNDETERMINED and code not in allowed:
        raise DocumentError(
            "language_not_allowed",
            f"It is in {language!r}; RAG_LANGUAGES allows {', '.join(sorted(allowed))}.",
        )


def _confirmed(text: str, language: str) -> bool:
    """Whether the middle or the last third of the text is in this language, too."""
    if len(text) < _FEWEST_CHARACTERS_TO_COMPARE:
        return False
    third = len(text) // 3
    length = min(third, _SAMPLE)
    return any(_guess(text[at : at + length])[0] == language for at in (third, 2 * third))


def _guess(sample: str) -> tuple[str | None, bool]:
    found = _detector().detect(sample.encode("utf-8", "replace").decode())
    return found.language, found.is_reliable()


@lru_cache(maxsize=1)
def _detector() -> LanguageDetector:
    # 0.08 s and 50 MB: paid by the first document, not by everybody who imports parsing.
    from eld import LanguageDetector

    return LanguageDetector()
