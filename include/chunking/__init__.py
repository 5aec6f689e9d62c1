"""Chunking: a document's text and blocks in, spans out. Pure; see `strategies` for the choice."""

from include.chunking.protocol import Chunker, Tokenizer
from include.chunking.strategies import STRATEGIES, ChunkerByMediaType, Parts
from include.chunking.structure import StructureChunker

__all__ = [
    "STRATEGIES",
    "Chunker",
    "ChunkerByMediaType",
    "Parts",
    "StructureChunker",
    "Tokenizer",
]
