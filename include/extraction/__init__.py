"""Extraction: a file's bytes in, its documents out: parsed, cleaned, their language known."""

from include.extraction.extract import Extracted, Rules, extract, media_type
from include.extraction.isolated import IsolatedExtractor, Limits

__all__ = ["Extracted", "IsolatedExtractor", "Limits", "Rules", "extract", "media_type"]
