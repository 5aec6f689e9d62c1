"""Retrieval: a question in, ranked passages and cited answers out."""
