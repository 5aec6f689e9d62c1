"""Answering: one question, or a file of them, on the live index with the configured models.

The command line and the Dags call the same functions.
"""
