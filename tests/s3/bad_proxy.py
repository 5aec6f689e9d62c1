"""A proxy before an S3 API that makes trouble: `python -m tests.s3.bad_proxy ENDPOINT KIND SHARE [ONLY]`.

Kinds: `busy` answers 503 SlowDown to this share of requests instead of passing them on; `forgetful`
passes them on and answers 503 all the same; `both` does one or the other; `unconditional` forgets
the conditions of all writes; `broken` ends this share of bodies half-way, `garbled` changes their last
byte; `website` answers HTML to everything; `denied`, `expired`, `stranger`, `forged`, `elsewhere`, `late` and `new` refuse this share of
requests with the code of S3; `slow` waits SHARE seconds before it passes a GET on. ONLY limits the trouble to requests whose path contains it.
"""

from __future__ import annotations

import http.client
import random
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_ERROR = '<?xml version="1.0"?><Error><Code>{0}</Code><Message>{0} by the proxy</Message></Error>'
_REFUSALS = {
    "denied": (403, "AccessDenied"),
    "expired": (400, "ExpiredToken"),
    "stranger": (403, "InvalidAccessKeyId"),
    "forged": (403, "SignatureDoesNotMatch"),
    "elsewhere": (301, "PermanentRedirect"),
    "late": (403, "RequestTimeTooSkewed"),
    "new": (307, "TemporaryRedirect"),
}
_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length", "date", "server"}
_CONDITIONS = {"if-match", "if-none-match"}


class Trouble(BaseHTTPRequestHandler):
    """Passes a request on, or not."""

    protocol_version = "HTTP/1.1"
    target, kind, share, only = "", "", 0.0, ""
    chance = random.Random(7)

    def answer(self) -> None:
        """One request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self._chunks()
        hit = self.only in self.path.partition("?")[0] and self.chance.random() < self.share
        kind = self.chance.choice(["busy", "forgetful"]) if self.kind == "both" else self.kind
        if kind == "slow" and self.command == "GET":
            time.sleep(self.share)
        if kind == "website":
            self._send(200, [("Content-Type", "text/html")], b"<html><p>Welcome!</p></html>")
        elif hit and kind == "busy":
            self._refuse(503, "SlowDown")
        elif hit and kind in _REFUSALS:
            self._refuse(*_REFUSALS[kind])
        else:
            status, headers, content = self._forward(body)
            if hit and kind == "garbled" and self.command == "GET":
                content = content[:-1] + bytes([content[-1] ^ 1]) if content else content
            if hit and kind == "forgetful":
                self._refuse(503, "SlowDown")
            else:
                self._send(status, headers, content, half=hit and kind == "broken")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - names of http.server

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {
            name: value for name, value in self.headers.items() if name.lower() != "connection"
        }
        headers.pop("Transfer-Encoding", None)
        headers["Content-Length"] = str(len(body))
        if self.kind == "unconditional" and self.command == "PUT":
            headers = {n: v for n, v in headers.items() if n.lower() not in _CONDITIONS}
        connection = http.client.HTTPConnection(self.target, timeout=60)
        try:
            connection.request(self.command, self.path, body, headers)
            found = connection.getresponse()
            return found.status, found.getheaders(), found.read()
        finally:
            connection.close()

    def _refuse(self, status: int, code: str) -> None:
        headers = [("Content-Type", "application/xml"), ("x-amz-bucket-region", "us-west-2")]
        self._send(status, headers, _ERROR.format(code).encode())

    def _send(
        self, status: int, headers: list[tuple[str, str]], content: bytes, *, half: bool = False
    ) -> None:
        self.send_response(status)
        length = {name.lower(): value for name, value in headers}.get("content-length")
        for name, value in headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header(
            "Content-Length", (length or "0") if self.command == "HEAD" else str(len(content))
        )
        self.end_headers()
        if half and self.command == "GET" and len(content) > 1:
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(content)

    def _chunks(self) -> bytes:
        found = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return found

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Server(ThreadingHTTPServer):
    """Takes many connections at once, and lets clients be killed."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Says nothing."""


def main() -> None:
    """Serves until it is killed."""
    endpoint, Trouble.kind, share, Trouble.only = [*sys.argv[1:], ""][:4]
    Trouble.target, Trouble.share = urlsplit(endpoint).netloc, float(share)
    server = Server(("127.0.0.1", 0), Trouble)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
