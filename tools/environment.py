"""Which environment variables reach the local Airflow: the platform's own, and nobody else's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

# Another Airflow's settings, foreign credentials and a foreign Python must not leak in.
DROPPED = ("AIRFLOW", "RAG_", "AWS_", "OPENAI_", "PG", "REDIS_", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONDONTWRITEBYTECODE")  # fmt: skip
KEPT = ("RAG_", "AIRFLOW_CONN_", "AIRFLOW_VAR_")
QUIET = {
    "DO_NOT_TRACK": "1",
    "SCARF_ANALYTICS": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GX_ANALYTICS_ENABLED": "false",
}


def platform_environment(
    inherited: Mapping[str, str], *, home: Path, repository: Path, own: Mapping[str, str] | None
) -> dict[str, str]:
    """The environment of the local Airflow and of the commands that share its lake.

    With `own` (the demo) the platform's settings are exactly those. Without, they are the file
    `.env` of the repository, overridden by `RAG_*`, `AIRFLOW_CONN_*` and `AIRFLOW_VAR_*` of the
    shell; whatever else `.env` sets (cloud credentials, `AIRFLOW__*`) passes too.
    """
    clean = {name: value for name, value in inherited.items() if not name.startswith(DROPPED)}
    if own is None:
        clean |= read_dotenv(repository / ".env")
        clean |= {name: value for name, value in inherited.items() if name.startswith(KEPT)}
    else:
        clean |= own
    forced = {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": str(repository),
        "PYTHONUNBUFFERED": "1",
        # Without it, macOS ends a process that forks after using its frameworks.
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
    }
    # Tasks call the API server on this machine; a proxy must not stand between them.
    direct = ",".join(filter(None, [clean.get("NO_PROXY", clean.get("no_proxy")), "127.0.0.1"]))
    return QUIET | clean | forced | {"NO_PROXY": direct, "no_proxy": direct}


def read_dotenv(path: Path) -> dict[str, str]:
    """The file's variables that have a value; nothing when there is no such file."""
    values = dotenv_values(path, interpolate=False) if path.is_file() else {}
    return {name: value for name, value in values.items() if value}


def demo_settings(repository: Path) -> dict[str, str]:
    """The demo's own settings: its corpus and its lake, both under `.demo`."""
    folder = repository / ".demo"
    return {
        "RAG_ENV_FILE": "",
        "RAG_SOURCE_URI": (folder / "corpus").as_uri(),
        "RAG_LAKE_URI": (folder / "lake").as_uri(),
    }
