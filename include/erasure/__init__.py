"""Erasure: a document leaves every table, every old version and every file of the lake, provably.

`erase` does it and returns a receipt, which holds hashes and counts but no text. Backups, object
versions of a bucket and the logs of providers are outside the lake: see docs/operations.md.
"""

from include.erasure.erase import Erasing, erase

__all__ = ["Erasing", "erase"]
