"""The API in this process, on a real socket."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from include.serving.server import make_server, serving
from include.settings import REPOSITORY
from include.wiring import Platform

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Served:
    """Where it listens, and what it works with."""

    url: str
    platform: Platform

    def client(self, key: str = "") -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_SECONDS)

    def post(self, path: str, *, key: str = "", **body: Any) -> httpx.Response:
        with self.client(key) as client:
            return client.post(path, json=body)

    def events(self, path: str, *, key: str = "", **body: Any) -> list[tuple[str, Any]]:
        """The events of a stream, each with its name."""
        with self.client(key) as client, client.stream("POST", path, json=body) as answer:
            assert answer.status_code == 200, answer.read()
            assert answer.headers["content-type"].startswith("text/event-stream")
            return list(events_of(answer))


def events_of(answer: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def eventually(true: Any) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


@contextmanager
def served(platform: Platform, *, ready: bool = True) -> Iterator[Served]:
    """Runs during the block; `ready` waits for the model."""
    listener = socket.create_server(("127.0.0.1", 0))
    with serving(platform, "127.0.0.1") as app:
        server = make_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        here = Served(f"http://127.0.0.1:{listener.getsockname()[1]}", platform)
        try:
            with here.client() as client:
                eventually(lambda: not ready or client.get("/readyz").status_code == 200)
            yield here
        finally:
            server.should_exit = True
            thread.join()
            listener.close()
    platform.close()


@dataclass(frozen=True)
class Program(Served):
    """The API as a program of its own."""

    process: subprocess.Popen[str]


@contextmanager
def program(platform: Platform, environment: dict[str, str], *arguments: str) -> Iterator[Program]:
    """`python -m include serve` during the block, once it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "include", "serve", "--port", "0", *arguments],
        cwd=REPOSITORY, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        here = Program(line.split()[2], platform, process)
        with here.client() as client:
            eventually(lambda: client.get("/readyz").status_code == 200)
        yield here
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        platform.close()
