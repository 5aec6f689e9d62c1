"""PostgreSQL and Redis for one test: real servers on loopback, their files in a temporary folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def postgresql(folder: Path, port: int) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database `airflow`."""
    programs = Path(subprocess.check_output(["pg_config", "--bindir"], text=True).strip())
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    folder.mkdir()
    if user:
        shutil.chown(folder, user)
        for parent in folder.parents:
            if parent.stat().st_uid == 0 and parent != Path("/") and parent != Path("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o055)
    make = [
        programs / "initdb",
        "-D",
        folder / "data",
        "-U",
        "airflow",
        "-A",
        "trust",
        "-E",
        "UTF8",
    ]
    subprocess.run(make, user=user, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    serve = [
        programs / "postgres", "-D", folder / "data", "-p", str(port), "-k", str(folder),
        "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200",
    ]  # fmt: skip
    with (folder.parent / "postgres.log").open("w") as log:
        server = subprocess.Popen(serve, user=user, stdout=log, stderr=log, cwd=folder)
    try:
        ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        _wait_for(ready, server)
        create = [
            programs / "createdb",
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "-U",
            "airflow",
            "airflow",
        ]
        subprocess.run(create, check=True)
        yield f"postgresql+psycopg2://airflow@127.0.0.1:{port}/airflow"
    finally:
        server.send_signal(signal.SIGINT)  # a fast shutdown; SIGTERM would wait for clients
        server.wait()


@contextmanager
def redis(folder: Path, port: int) -> Iterator[str]:
    """The URL of an empty Redis."""
    folder.mkdir()
    serve = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    server = subprocess.Popen(serve, stdout=subprocess.DEVNULL)
    try:
        _wait_for(["redis-cli", "-p", str(port), "ping"], server)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def _wait_for(check: list[object], server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if server.poll() is not None:
            raise RuntimeError(f"{server.args} ended with {server.returncode}")
        done = subprocess.run([str(part) for part in check], stdout=subprocess.DEVNULL, check=False)
        if done.returncode == 0:
            return
        time.sleep(0.1)
    raise TimeoutError(f"{server.args} did not become ready")
