"""Enrichment: what a chat model fills in about a document that does not say it in a field itself.

A text is described once for each version of the prompt and choice of models; what was found is a row
of the table `enrichments`, under the text's hash. The next ingestion puts it into the documents'
metadata, below everything that people or files say, so that a fresh ingest gives the same rows.
"""
