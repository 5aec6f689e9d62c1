"""Verification: does everything in the lake agree, and what puts it right again.

Every check compares what two places say. Repair never deletes the last good version of a document:
what cannot be put right from the lake alone is marked, and the next sync reads it again.
"""
