"""`serve`: its arguments, and what runs it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from include.wiring import Platform

Json = dict[str, Any]
HOST, PORT = "127.0.0.1", 8090


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the command to the operator's command line."""
    serve = add("serve", _serve, _shown, "Serve search and answers over HTTP (docs/api.md).")
    serve.add_argument("--host", default=HOST, help=f"address to listen on (default {HOST})")
    serve.add_argument("--port", type=int, default=PORT, help=f"default {PORT}; 0 takes a free one")


def _serve(platform: Platform, chosen: argparse.Namespace) -> tuple[Json, int]:
    from include.serving.server import serve

    return serve(platform, chosen.host, chosen.port), 0


def _shown(answer: Json) -> str:
    return f"Stopped after {answer['requests']} requests in {answer['seconds']} s."
