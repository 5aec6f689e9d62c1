"""Chunking: a document's text and blocks in, spans out. Pure; structure first, then tokens."""

from include.chunking.protocol import Chunker, Tokenizer
from include.chunking.structure import StructureChunker

__all__ = ["Chunker", "StructureChunker", "Tokenizer"]
