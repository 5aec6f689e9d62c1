"""A stand-in server in its own process, for a test."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.settings import REPOSITORY
from tests.standin.behaviour import metered

KEY = "sk-stand-in-0123456789abcdef"
PRICES = {
    "stand-in-embed": {"input_per_million_usd": "0.02"},
    "stand-in-chat": {"input_per_million_usd": "0.15", "output_per_million_usd": "0.6"},
    "stand-in-better": {"input_per_million_usd": "2.5", "output_per_million_usd": "10"},
}


@dataclass(frozen=True)
class Running:
    """Where it listens, and what it metered."""

    port: int
    meter: Path

    def control(self, **wanted: Any) -> None:
        """Changes what it does; see Behaviour."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/control",
            json.dumps(wanted).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).read()

    def rows(self, *, charged: bool | None = None) -> list[dict[str, Any]]:
        """What it metered; only what it charged or did not charge, when asked for."""
        return [row for row in metered(self.meter) if charged in (None, row["charged"])]

    def environment(self, **extra: Any) -> dict[str, str]:
        """The connection and the prices, as environment variables."""
        settings = {"tokenizer": "words", "timeout": 1.0} | extra
        return {
            "AIRFLOW_CONN_OPENAI_DEFAULT": json.dumps(
                {
                    "conn_type": "openai",
                    "host": f"http://127.0.0.1:{self.port}/v1",
                    "password": KEY,
                    "extra": settings,
                }
            ),
            "AIRFLOW_VAR_RAG_PRICES": json.dumps(PRICES),
        }


@contextmanager
def standing_in(meter: Path, *switches: str, port: int = 0) -> Iterator[Running]:
    """Runs during the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.standin.server", str(meter), str(port), *switches],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield Running(int(process.stdout.readline()), meter)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
