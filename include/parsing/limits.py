"""How much one file may hold before it is refused, each limit with its reason, in one place.

Time and memory are bounded by the process around `parse`; these limits refuse what is certain to
exceed them, or what no honest document needs, before anything is spent on it.
"""

from __future__ import annotations

MEBIBYTE = 1024 * 1024

# A 50 MB Office file (the default RAG_MAX_DOCUMENT_MB) of ordinary XML unpacks to about 400 MB;
# what a parser builds from it is several times as large again.
MOST_UNPACKED_BYTES = 256 * MEBIBYTE
# One part of XML becomes a tree about ten times its size.
MOST_XML_BYTES = 64 * MEBIBYTE
# Deflate reaches 1,032 to 1; the most repetitive spreadsheets that programs write reach about 100.
MOST_RATIO = 200
# A short file of blanks reaches any ratio and harms nobody.
RATIO_APPLIES_FROM_BYTES = 4 * MEBIBYTE
# Books with a file per page and presentations of a thousand slides have fewer.
MOST_MEMBERS = 10_000
# The largest printed standards have about 5,000.
MOST_PAGES = 10_000
# About 1,000 pages of a printed sheet; a larger one is data, better exported as CSV or Parquet.
MOST_CELLS = 2_000_000
# Word's own nesting stays below 50; recursion in Python ends at about 1,000.
MOST_NESTED_ELEMENTS = 200
# A message in a message in an archive: deeper is a construct, not a correspondence.
MOST_NESTED_FILES = 3
MOST_ATTACHMENTS = 100
