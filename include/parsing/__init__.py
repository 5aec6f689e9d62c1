"""Parsing: a file's bytes in, plain text with its structure out."""

from include.parsing.dispatch import media_type, parse
from include.parsing.formats import FORMATS
from include.parsing.language import detect_language, require_language

__all__ = ["FORMATS", "detect_language", "media_type", "parse", "require_language"]
