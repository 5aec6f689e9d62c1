"""Embedding: texts in, unit vectors out; one adapter per file, and a cache in front."""
