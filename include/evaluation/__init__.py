"""Evaluation: golden questions in, metrics and a verdict out."""
