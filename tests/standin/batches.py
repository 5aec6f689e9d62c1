"""The stand-in's files and batches: what a batch becomes, and when, is decided by Behaviour.

A batch is charged when it comes to its end, one row of the meter for each request it answered. It ends
as soon as somebody asks after `batch_seconds`; as `batch_ends` says; `batch_faults` spoil its files.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Embed = Callable[[Json], tuple[Json, int]]
"""Answers the body of a request: the answer's body, and its tokens."""
Charge = Callable[[Json, int, Json], None]
"""Meters a body of so many tokens, with what else the row is to say."""

ENDS = ("completed", "failed", "expired", "cancelled")


@dataclass
class _Batch:
    id: str
    file_id: str
    metadata: Json
    made: float
    status: str = "validating"
    output: str | None = None
    errors: str | None = None
    codes: list[str] = field(default_factory=list)
    counts: Json = field(default_factory=lambda: {"total": 0, "completed": 0, "failed": 0})
    tokens: int = 0


class Batches:
    """All files and batches of one server."""

    def __init__(self, embed: Embed, charge: Charge) -> None:
        self._embed, self._charge = embed, charge
        self._lock = threading.RLock()
        self._number = itertools.count(1)
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, _Batch] = {}

    def upload(self, data: bytes) -> Json:
        """Keeps a file."""
        with self._lock:
            name = f"file-{next(self._number)}"
            self.files[name] = data
        return {"id": name, "object": "file", "bytes": len(data), "created_at": int(time.time()),
                "filename": "requests.jsonl", "purpose": "batch", "status": "processed"}  # fmt: skip

    def create(self, body: Json) -> Json | None:
        """Begins a batch; None without its file."""
        assert body["endpoint"] == "/v1/embeddings", body
        assert body["completion_window"] == "24h", body
        with self._lock:
            if body["input_file_id"] not in self.files:
                return None
            batch = _Batch(
                f"batch_{next(self._number)}", body["input_file_id"], body.get("metadata") or {}, time.time()
            )  # fmt: skip
            self.batches[batch.id] = batch
            return _shown(batch)

    def listed(self, limit: int, after: str) -> Json:
        """A page of batches, the newest first."""
        with self._lock:
            newest = list(reversed(self.batches.values()))
        ids = [each.id for each in newest]
        start = ids.index(after) + 1 if after else 0
        page = newest[start : start + limit]
        return {"object": "list", "data": [_shown(each) for each in page],
                "has_more": start + limit < len(newest)}  # fmt: skip

    def find(self, batch_id: str, behaviour: Any) -> Json | None:
        """A batch as it stands now."""
        with self._lock:
            batch = self.batches.get(batch_id)
            if batch is None:
                return None
            if batch.status not in ENDS:
                over = time.time() - batch.made >= behaviour.batch_seconds
                batch.status = "in_progress"
                if over:
                    self._end(batch, behaviour)
            return _shown(batch, usage="no usage" not in behaviour.batch_faults)

    def cancel(self, batch_id: str) -> Json | None:
        """Cancels a batch that is not over; nothing of it was answered yet."""
        with self._lock:
            batch = self.batches.get(batch_id)
            if batch is not None and batch.status not in ENDS:
                batch.status = "cancelled"
            return None if batch is None else _shown(batch)

    def _end(self, batch: _Batch, behaviour: Any) -> None:
        asked = [json.loads(line) for line in self.files[batch.file_id].splitlines()]
        end = behaviour.batch_ends.pop(0) if behaviour.batch_ends else "completed"
        batch.status, batch.counts["total"] = end, len(asked)
        if end == "failed":
            batch.codes = ["token_limit_exceeded"]
            return
        done = len(asked) if end == "completed" else behaviour.batch_answers
        answered, refused = asked[:done], asked[done:]
        bad = [each for at, each in enumerate(answered) if at in behaviour.batch_fails]
        good = [each for each in answered if each not in bad]
        output = [self._answer(each, batch, behaviour) for each in good]
        errors = [_failure(each, 400, "invalid_input") for each in bad]
        errors += [_failure(each, None, f"batch_{end}") for each in refused]
        batch.counts |= {"completed": len(good), "failed": len(errors)}
        faults = behaviour.batch_faults
        if "no output" not in faults:
            batch.output = self._file(_spoilt(output, faults)) if output else None
        if "lost output" in faults and batch.output:
            del self.files[batch.output]
        batch.errors = self._file([json.dumps(each) for each in errors]) if errors else None

    def _answer(self, asked: Json, batch: _Batch, behaviour: Any) -> Json:
        body, tokens = self._embed(asked["body"])
        batch.tokens += tokens
        self._charge(asked["body"], tokens, {"batch": batch.id, "custom_id": asked["custom_id"],
                                             "metadata": batch.metadata})  # fmt: skip
        if "no usage" in behaviour.batch_faults:
            del body["usage"]
        if "nan" in behaviour.batch_faults:
            row = body["data"][0]["embedding"]
            body["data"][0]["embedding"] = [float("nan")] * 32 if isinstance(row, str) else row
        if "wrong dimensions" in behaviour.batch_faults:
            for row in body["data"]:
                row["embedding"] = [0.6, 0.8]
        response = {"status_code": 200, "request_id": "r", "body": body}
        return {"id": "batch_req", "custom_id": asked["custom_id"], "response": response, "error": None}  # fmt: skip

    def _file(self, rows: list[str]) -> str:
        return str(self.upload("\n".join([*rows, ""]).encode())["id"])


def _spoilt(rows: list[Json], faults: list[str]) -> list[str]:
    if "wrong ids" in faults:
        rows = [row | {"custom_id": f"other-{at}"} for at, row in enumerate(rows)]
    dumped = [json.dumps(row) for row in rows]
    if "shuffled" in faults:
        dumped = [*reversed(dumped), dumped[0]]
    if "malformed" in faults:
        dumped = [
            dumped[0][: len(dumped[0]) // 2],
            "",
            "[]",
            "17",
            '{"custom_id": []}',
            *dumped[1:],
        ]
    return dumped


def _failure(asked: Json, status: int | None, code: str) -> Json:
    response = None if status is None else {
        "status_code": status, "body": {"error": {"code": code, "message": "no"}}
    }  # fmt: skip
    error = {"code": code, "message": "no"} if status is None else None
    return {"id": "x", "custom_id": asked["custom_id"], "response": response, "error": error}


def _shown(batch: _Batch, *, usage: bool = True) -> Json:
    shown = {"id": batch.id, "object": "batch", "endpoint": "/v1/embeddings", "completion_window": "24h",
             "input_file_id": batch.file_id, "status": batch.status, "created_at": int(batch.made),
             "metadata": batch.metadata, "output_file_id": batch.output, "error_file_id": batch.errors,
             "request_counts": batch.counts}  # fmt: skip
    if batch.codes:
        shown["errors"] = {"object": "list", "data": [{"code": each} for each in batch.codes]}
    if usage and batch.status in ENDS:
        shown["usage"] = {"input_tokens": batch.tokens, "output_tokens": 0, "total_tokens": batch.tokens,
                          "input_tokens_details": {"cached_tokens": 0},
                          "output_tokens_details": {"reasoning_tokens": 0}}  # fmt: skip
    return shown
