"""Golden questions that name a document as one of several that answer them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from include.erasure.subject import Subject
from include.storage.history import delete_among
from include.storage.tables import Tables

if TYPE_CHECKING:
    from include.storage.lance import LanceDatabase


def erase_golden(database: LanceDatabase, subject: Subject) -> int:
    """Deletes them; how many. Those about the document itself go with its other rows."""
    rows = Tables(database).golden.read(["id", "document_id", "relevant"])
    named = [
        row["id"]
        for row in rows.iter_rows(named=True)
        if row["document_id"] not in subject.ids
        and any(map(subject.holds_uri, json.loads(row["relevant"])))
    ]
    return delete_among(database, "golden", "id", named)
