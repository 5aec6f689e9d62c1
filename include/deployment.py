"""What a person configures in Airflow and may change while it runs: Connections and Variables.

The command line knows only Airflow's environment variables, `AIRFLOW_CONN_<ID>` and
`AIRFLOW_VAR_<NAME>`; tasks ask Airflow itself (`include.orchestration.deployment`), which reads
the same variables first, then secrets backends and its database.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from include.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Connection:
    """An Airflow Connection: where a service is, and what opens it. Its repr shows no secret."""

    id: str
    type: str
    host: str | None = None
    port: int | None = None
    login: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    schema: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Deployment(Protocol):
    """Where connections and variables come from."""

    def connection(self, connection_id: str) -> Connection | None:
        """The connection, or None when there is none. Raises ConfigurationError if unreadable."""
        ...

    def variable(self, name: str) -> str | None:
        """The variable's text, or None when there is none."""
        ...


class EnvironmentDeployment:
    """Connections and variables of the environment, in Airflow's two notations: JSON and URI."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment

    def connection(self, connection_id: str) -> Connection | None:
        """The connection of `AIRFLOW_CONN_<ID>`."""
        name = f"AIRFLOW_CONN_{connection_id.upper()}"
        text = self._environment.get(name, "").strip()
        if not text:
            return None
        try:
            return (
                _from_json(connection_id, text)
                if text[0] == "{"
                else _from_uri(connection_id, text)
            )
        except (ValueError, TypeError, AttributeError):
            # The value is not shown: it holds a secret.
            raise ConfigurationError(
                f"{name} should be an Airflow connection, a URI or a JSON object with conn_type, "
                f"host, login, password, extra; it cannot be read."
            ) from None

    def variable(self, name: str) -> str | None:
        """The text of `AIRFLOW_VAR_<NAME>`."""
        return self._environment.get(f"AIRFLOW_VAR_{name.upper()}", "").strip() or None


def _from_json(connection_id: str, text: str) -> Connection:
    held = json.loads(text)
    extra = held.get("extra") or {}
    port = held.get("port")
    return Connection(
        id=connection_id,
        type=held.get("conn_type") or "",
        host=held.get("host"),
        port=None if port in (None, "") else int(port),
        login=held.get("login"),
        password=held.get("password"),
        schema=held.get("schema"),
        extra=_object(json.loads(extra) if isinstance(extra, str) else extra),
    )


def _from_uri(connection_id: str, text: str) -> Connection:
    parts = urlsplit(text)
    if not parts.scheme:
        raise ValueError("no scheme")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    extra = _object(json.loads(given["__extra__"])) if "__extra__" in given else given
    return Connection(
        id=connection_id,
        type=parts.scheme.replace("-", "_"),
        host=unquote(parts.hostname) if parts.hostname else None,
        port=parts.port,
        login=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        schema=unquote(parts.path[1:]) or None,
        extra=extra,
    )


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("extra should be an object")
    return value
