"""An OpenAI-compatible server to test against: `python -m tests.standin.server METER [PORT]`.

It prints its port. Embeddings are unit vectors that follow from the text, or the local model's
with `--model`, ever the same with `--instant`; chat is scripted. Tokens are words. `POST /control` changes what it does
(see Behaviour.change); `{"begin": <meter>}` begins anew.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from tests.standin.batches import Batches
from tests.standin.behaviour import CHARGED, Behaviour, Meter

DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
Json = dict[str, Any]
Vectors = Callable[[list[str]], np.ndarray]


def words(text: str) -> int:
    """The server's tokens."""
    return len(text.split())


def vector_of(text: str, dimensions: int) -> np.ndarray:
    """A unit vector that follows from the text's words, so that shared words are near."""
    total = np.zeros(dimensions, np.float32)
    for word in text.lower().split():
        raw = hashlib.shake_128(word.encode()).digest(2 * dimensions)
        total += np.frombuffer(raw, np.uint16).astype(np.float32) - 32_767.5
    return total / np.linalg.norm(total)


class StandIn(ThreadingHTTPServer):
    """The server with its behaviour and its meter."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, meter: Path, model: Vectors | None = None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.model = model
        self.begin(meter)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what some tests are about."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def begin(self, meter: Path) -> None:
        """Behaves well again, and meters into another file."""
        self.behaviour = Behaviour()
        self.meter = Meter(meter)
        self.batches = Batches(self.embedded, self.charge_batch)

    def embedded(self, body: Json, fault: str = "") -> tuple[Json, int]:
        """The answer to a request for embeddings, and its tokens."""
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        dimensions = body.get("dimensions") or DIMENSIONS.get(body["model"], 32)
        vectors = self.model(texts) if self.model else np.stack(
            [vector_of(text, dimensions) for text in texts]
        )  # fmt: skip
        if fault == "too few":
            vectors = vectors[:-1]
        if fault == "nan":
            vectors = np.where(np.arange(vectors.size) == 3, np.nan, vectors.flat).reshape(
                vectors.shape
            )
        if fault == "wrong dimensions":
            vectors = vectors[:, :-1]
        data = [
            {"object": "embedding", "index": n, "embedding": _coded(row, body)}
            for n, row in enumerate(vectors)
        ]
        tokens = sum(map(words, texts))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": body["model"], "usage": usage}, tokens

    def charge_batch(self, body: Json, tokens: int, more: Json) -> None:
        """Meters one request of a batch."""
        charged = {"input_tokens": tokens, "output_tokens": 0, "charged": True, "fault": ""}
        row = {"id": None, "model": body["model"], "path": "/v1/embeddings", "texts": body["input"]}
        self.meter.write(row | charged | more)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: StandIn

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        kind, name, *_ = [*path.removeprefix("/v1/").split("/"), "", ""]
        held, behaviour = self.server.batches, self.server.behaviour
        if not behaviour.has_batches:
            return self._send(404, {"error": {"message": "Not Found"}})
        if self._locked({}):
            return None
        if kind == "files":
            data = held.files.get(name)
            found = (
                self._send(404, {"error": {"message": "No such File"}}) if data is None else None
            )
            return found if data is None else self._raw(200, data, "application/octet-stream")
        if name:
            shown = held.find(name, behaviour)
            return self._send(200, shown) if shown else self._send(404, {"error": {"message": "?"}})
        given = dict(part.split("=") for part in query.split("&") if part)
        return self._send(200, held.listed(int(given.get("limit", 20)), given.get("after", "")))

    def do_DELETE(self) -> None:
        name = self.path.rpartition("/")[2]
        known = self.server.batches.files.pop(name, None) is not None
        self._send(200 if known else 404, {"id": name, "object": "file", "deleted": known})

    def _submit(self, data: bytes) -> None:
        """Files, batches, cancellations."""
        held, behaviour = self.server.batches, self.server.behaviour
        if not behaviour.has_batches:
            return self._send(404, {"error": {"message": "Not Found"}})
        if self.path.endswith("/files"):
            return self._send(200, held.upload(_part(data, self.headers["Content-Type"])))
        if self.path.endswith("/cancel"):
            return self._send(200, held.cancel(self.path.split("/")[-2]) or {})
        fault = behaviour.create_faults.pop(0) if behaviour.create_faults else ""
        if fault.isdigit():
            return self._send(int(fault), {"error": {"message": "no", "code": fault}})
        made = held.create(json.loads(data))
        if made is None:
            return self._send(400, {"error": {"message": "No such File object", "code": "400"}})
        if fault == "cut":
            self.close_connection = True
            self.connection.close()
            return None
        return self._send(200, made)

    def _locked(self, body: Json) -> bool:
        behaviour, given = self.server.behaviour, self.headers.get("Authorization", "")
        if behaviour.key and given != f"Bearer {behaviour.key}":
            shown = given.removeprefix("Bearer ")
            self._refuse(401, body, f"Incorrect API key provided: {shown}.")
            return True
        return False

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/files" in self.path or "/batches" in self.path:
            return None if self._locked({}) else self._submit(data)
        body = json.loads(data)
        behaviour = self.server.behaviour
        if self.path == "/control":
            if "begin" in body:
                self.server.begin(Path(body["begin"]))
            else:
                behaviour.change(body)
            return self._send(200, {})
        time.sleep(behaviour.seconds)
        if self._locked(body):
            return None
        if body.get("model") in behaviour.refuse_models:
            return self._refuse(503, body, "This model is overloaded.")
        if not behaviour.admits():
            return self._refuse(429, body, "Rate limit reached.", retry_after="1")
        fault = behaviour.fault()
        if fault.isdigit():
            return self._refuse(
                int(fault), body, f"The stand-in says {fault}.", retry_after=behaviour.retry_after
            )
        assert not fault or fault in CHARGED, fault
        kind = self._embed if self.path.endswith("/embeddings") else self._chat
        return kind(body, fault)

    def _embed(self, body: Json, fault: str) -> None:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        tokens = sum(map(words, texts))
        self._charge(body, tokens, 0, fault)
        if self._broken(fault):
            return
        answer, _ = self.server.embedded(body, fault)
        if fault == "no usage":
            del answer["usage"]
        self._send(200, answer)

    def _chat(self, body: Json, fault: str) -> None:
        scripted = self.server.behaviour.answer()
        said = scripted if isinstance(scripted, dict) else {"content": scripted}
        content = said.get("content") or "The stand-in has nothing to say [1]."
        reason = fault if fault in ("length", "content_filter") else said.get("finish_reason")
        asked = sum(words(str(message["content"])) for message in body["messages"])
        self._charge(body, asked, words(content), fault)
        if fault == "filtered":
            return self._send(400, {"error": {"message": "no", "code": "content_filter"}})
        if self._broken(fault):
            return None
        usage: Json = {
            "prompt_tokens": asked,
            "completion_tokens": words(content),
            "total_tokens": asked + words(content),
        }
        if (cached := self.server.behaviour.cached_tokens) is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": cached}
        if body.get("stream"):
            asked_for = (body.get("stream_options") or {}).get("include_usage")
            told = usage if asked_for and fault != "no usage" else None
            self._stream(
                body, content, fault if fault in ("break", "error event") else reason, told
            )
            return None
        answer = _completion(body, {"message": {"role": "assistant", "content": content}}, reason)
        return self._send(200, answer if fault == "no usage" else answer | {"usage": usage})

    def _stream(self, body: Json, content: str, reason: str | None, usage: Json | None) -> None:
        """Words one by one; `break` hangs up after half of them, `error event` says so instead."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        pieces = re.findall(r"\S*\s*", content)[:-1]
        failing = reason in ("break", "error event")
        self.close_connection = True
        for piece in pieces[: len(pieces) // 2] if failing else pieces:
            self._event(_completion(body, {"delta": {"content": piece}}, None, chunk=True))
            time.sleep(self.server.behaviour.word_seconds)
        if failing:
            if reason == "error event":
                self._event({"error": {"message": "The stand-in lost the thread."}})
            return
        self._event(_completion(body, {"delta": {}}, reason or "stop", chunk=True))
        if usage:
            self._event(_completion(body, None, None, chunk=True) | {"usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, event: Json) -> None:
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.flush()

    def _broken(self, fault: str) -> bool:
        """Answers that are no answers, after they were charged."""
        if fault == "slow":
            time.sleep(self.server.behaviour.slow_seconds)
        if fault in ("slow", "cut"):
            self.close_connection = True
            self.connection.close()
            return True
        if fault == "html":
            self._raw(200, b"<html><body>Welcome to the proxy</body></html>", "text/html")
            return True
        if fault == "malformed":
            self._raw(200, b'{"data": [', "application/json")
            return True
        return False

    def _charge(self, body: Json, asked: int, said: int, fault: str) -> None:
        self._meter(body, {"input_tokens": asked, "output_tokens": said, "charged": True,
                           "fault": fault})  # fmt: skip

    def _refuse(self, status: int, body: Json, message: str, retry_after: str = "") -> None:
        self._meter(body, {"input_tokens": 0, "output_tokens": 0, "charged": False,
                           "fault": str(status)})  # fmt: skip
        error = {"error": {"message": message, "type": "stand_in", "code": str(status)}}
        self._send(status, error, {"Retry-After": retry_after} if retry_after else {})

    def _meter(self, body: Json, row: Json) -> None:
        known = {"id": self.headers.get("X-Client-Request-Id"), "model": body.get("model")}
        known |= {"keys": sorted(body), "messages": body.get("messages")}
        self.server.meter.write(known | {"path": self.path} | row)

    def _send(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        self._raw(status, json.dumps(body).encode(), "application/json", headers)

    def _raw(
        self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _part(data: bytes, content_type: str) -> bytes:
    """The file of a multipart form."""
    boundary = content_type.partition("boundary=")[2].encode()
    for part in data.split(b"--" + boundary):
        head, _, content = part.partition(b"\r\n\r\n")
        if b'filename="' in head:
            return content.removesuffix(b"\r\n")
    raise ValueError(f"no file in {data[:200]!r}")


def _coded(row: np.ndarray, body: Json) -> str | list[float]:
    if body.get("encoding_format") == "base64":
        return base64.b64encode(row.astype("<f4").tobytes()).decode()
    return [float(value) for value in row]


def _completion(
    body: Json, choice: Json | None, reason: str | None, *, chunk: bool = False
) -> Json:
    choices = [] if choice is None else [
        {"index": 0, "finish_reason": reason or (None if chunk else "stop")} | choice
    ]  # fmt: skip
    kind = "chat.completion.chunk" if chunk else "chat.completion"
    return {"id": "stand-in", "object": kind, "created": 0, "model": body["model"],
            "choices": choices}  # fmt: skip


def _local_model() -> Vectors:
    from include.embedding.local import LocalEmbedder
    from include.embedding.models import find_model
    from include.settings import Settings

    chosen = Settings.from_environment({}).embedding
    model = LocalEmbedder(
        find_model(chosen.name, chosen.model_cache), export_folder=chosen.model_cache
    )
    return model.embed_documents


def _instant() -> Vectors:
    """Vectors that cost this server nothing: the same 2,048 for whatever is asked."""
    rows = np.random.default_rng(0).standard_normal((2_048, 1_536), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return lambda texts: rows[: len(texts)]


def main(meter: str, port: str = "0", *switches: str) -> None:
    """Serves until it is killed."""
    model = _local_model() if "--model" in switches else None
    server = StandIn(int(port), Path(meter), _instant() if "--instant" in switches else model)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
