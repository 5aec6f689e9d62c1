"""The RAG data platform: everything the Dags, the command line and the HTTP API share."""

__version__ = "0.1.0"
