"""S3 stores on loopback, and the connection that opens them."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from include.deployment import EnvironmentDeployment
from include.settings import REPOSITORY
from include.storage.s3_client import CONNECTION, S3Access

# Adaptive retries slow down for minutes after many 503s; tests have injected enough of them.
_CONFIG = {
    "s3": {"addressing_style": "path"},
    "retries": {"mode": "standard", "total_max_attempts": 10},
}


@dataclass(frozen=True, slots=True)
class Store:
    """An S3 API at an endpoint."""

    endpoint: str

    def connection(self, **extra: Any) -> str:
        """The connection as `AIRFLOW_CONN_RAG_S3` holds it."""
        settings = {"endpoint_url": self.endpoint, "region_name": "eu-central-1"}
        settings |= {"config_kwargs": _CONFIG, **extra}
        login = {"login": "AKIATEST", "password": "not-a-real-secret"}
        return json.dumps({"conn_type": "aws", **login, "extra": settings})

    def access(self, **extra: Any) -> S3Access:
        """What opens it."""
        variable = {f"AIRFLOW_CONN_{CONNECTION.upper()}": self.connection(**extra)}
        return S3Access(EnvironmentDeployment(variable).connection(CONNECTION))

    def bucket(self, name: str = "") -> str:
        """A new bucket."""
        name = name or f"bucket-{secrets.token_hex(6)}"
        where = {"LocationConstraint": "eu-central-1"}
        self.access().client.create_bucket(Bucket=name, CreateBucketConfiguration=where)
        return name


@contextmanager
def served(module: str, *arguments: str) -> Iterator[Store]:
    """A server process of ours during the block; its first line says its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield Store(f"http://127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
