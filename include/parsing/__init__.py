"""Parsing: a file's bytes in, plain text with its structure out."""

from include.parsing.dispatch import FORMATS, Format, media_type, parse
from include.parsing.language import detect_language, require_language

__all__ = ["FORMATS", "Format", "detect_language", "media_type", "parse", "require_language"]
