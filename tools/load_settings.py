"""Loads `airflow_settings.yaml` into Airflow's database: connections, pools and variables.

The file has the Astro CLI's format, so `astro dev start` and `make up` give the same values. What
exists already is left alone: a value edited in the UI survives the next start.

    python -m tools.load_settings [FILE]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.console import RefusalError, run_program, say

DEFAULT_FILE = Path(__file__).resolve().parent.parent / "airflow_settings.yaml"
KINDS = ("connections", "pools", "variables")


@dataclass(frozen=True, slots=True)
class Connection:
    """One entry of `connections`; `extra` is JSON text."""

    name: str
    type: str
    host: str | None
    schema: str | None
    login: str | None
    password: str | None
    port: int | None
    extra: str | None
    uri: str | None


@dataclass(frozen=True, slots=True)
class Pool:
    """One entry of `pools`."""

    name: str
    slots: int
    description: str


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """The whole file."""

    connections: tuple[Connection, ...]
    pools: tuple[Pool, ...]
    variables: Mapping[str, str]


def parse_settings(text: str) -> LocalSettings:
    """Reads the YAML text; entries without a name are the Astro CLI's placeholders and are skipped.

    Raises RefusalError when the text is not YAML or an entry cannot be used.
    """
    try:
        document = yaml.safe_load(text) or {}
        sections = document.get("airflow") or {}
        unknown = set(sections) - set(KINDS)
    except (yaml.YAMLError, AttributeError, TypeError) as error:
        raise RefusalError(
            f"airflow_settings.yaml should be a mapping with the key 'airflow': {error}"
        ) from error
    if unknown:
        raise RefusalError(
            f"airflow_settings.yaml has {sorted(unknown)!r} under 'airflow'; allowed are {', '.join(KINDS)}."
        )
    return LocalSettings(
        tuple(_connection(entry) for entry in _entries(sections, "connections", "conn_id")),
        tuple(_pool(entry) for entry in _entries(sections, "pools", "pool_name")),
        {
            str(entry["variable_name"]): _text(entry.get("variable_value")) or ""
            for entry in _entries(sections, "variables", "variable_name")
        },
    )


def load_settings(settings: LocalSettings) -> list[str]:
    """Creates what is missing, in one transaction; returns the names created, as `kind name`."""
    from airflow import models
    from airflow.utils.session import create_session
    from sqlalchemy import select

    created: list[str] = []
    with create_session() as session:

        def missing(kind: str, column: Any, name: str) -> bool:
            absent = session.scalar(select(column).where(column == name)) is None
            if absent:
                created.append(f"{kind} {name}")
            return absent

        for connection in settings.connections:
            if missing("connection", models.Connection.conn_id, connection.name):
                session.add(models.Connection(**_stored(connection)))
        for pool in settings.pools:
            if missing("pool", models.Pool.pool, pool.name):
                session.add(models.Pool(pool=pool.name, slots=pool.slots, description=pool.description, include_deferred=False))  # fmt: skip
        for name, value in settings.variables.items():
            if missing("variable", models.Variable.key, name):
                session.add(models.Variable(key=name, val=value))  # type: ignore[no-untyped-call]
    return created


def main(arguments: Sequence[str] = ()) -> int:
    """Loads the file named, or the repository's own, and says what was created."""
    path = Path(arguments[0]) if arguments else DEFAULT_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RefusalError(
            f"{path} cannot be read ({error.strerror}): name a settings file."
        ) from error
    created = load_settings(parse_settings(text))
    say(f"{path.name}: {', '.join(created) + ' created' if created else 'nothing new'}")
    return 0


def _entries(sections: Mapping[str, object], kind: str, name: str) -> list[Mapping[str, object]]:
    entries = sections.get(kind) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RefusalError(f"airflow_settings.yaml: 'airflow.{kind}' should be a list of mappings.")
    return [entry for entry in entries if entry.get(name)]


def _connection(entry: Mapping[str, object]) -> Connection:
    name, uri = str(entry["conn_id"]), _text(entry.get("conn_uri"))
    if not uri and not entry.get("conn_type"):
        raise RefusalError(
            f"airflow_settings.yaml: connection {name!r} needs a conn_type or a conn_uri."
        )
    port = entry.get("conn_port")
    if port and not str(port).isdigit():
        raise RefusalError(
            f"airflow_settings.yaml: connection {name!r} has conn_port {port!r}; a number is needed."
        )
    return Connection(
        name,
        str(entry.get("conn_type") or ""),
        _text(entry.get("conn_host")),
        _text(entry.get("conn_schema")),
        _text(entry.get("conn_login")),
        _text(entry.get("conn_password")),
        int(str(port)) if port else None,
        _text(entry.get("conn_extra")),
        uri,
    )


def _pool(entry: Mapping[str, object]) -> Pool:
    name, slots = str(entry["pool_name"]), str(entry.get("pool_slot"))
    if not slots.isdigit():
        raise RefusalError(
            f"airflow_settings.yaml: pool {name!r} has pool_slot {slots!r}; a number is needed."
        )
    return Pool(name, int(slots), str(entry.get("pool_description") or ""))


def _text(value: object) -> str | None:
    """YAML's value as Airflow stores it: text as it is, structures as JSON, empty as None."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value)


def _stored(connection: Connection) -> dict[str, Any]:
    if connection.uri:
        return {"conn_id": connection.name, "uri": connection.uri}
    return {
        "conn_id": connection.name,
        "conn_type": connection.type,
        "host": connection.host,
        "schema": connection.schema,
        "login": connection.login,
        "password": connection.password,
        "port": connection.port,
        "extra": connection.extra,
    }


if __name__ == "__main__":
    run_program(lambda: main(sys.argv[1:]), resume="python -m tools.load_settings")
