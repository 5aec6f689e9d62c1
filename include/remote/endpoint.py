"""Where the API is and how it is spoken to: the Airflow connection `openai_default`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from include.deployment import Connection, Deployment
from include.errors import ConfigurationError

CONNECTION = "openai_default"
_DEFAULT_URL = "https://api.openai.com/v1"
_ALLOWED = (
    "base_url", "provider", "timeout", "tries", "tokenizer", "dimensions", "query_prefix",
    "document_prefix", "revision", "max_inputs", "max_request_tokens", "max_input_tokens",
    "max_tokens_parameter", "organization", "project", "api_version", "batch_inputs",
    "batch_megabytes", "batch_queue_tokens", "batch_poll_seconds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One API. Its repr shows no key.

    `provider` is the name prices are listed under, `timeout` the seconds an answer may take,
    `tries` how often a call is made in all. `options` are what the connection's extra says of its
    models.
    """

    base_url: str
    key: str = field(repr=False)
    provider: str = "openai"
    timeout: float = 60.0
    tries: int = 6
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Host and path, without what might be secret: for the ledger and for messages."""
        parts = urlsplit(self.base_url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.hostname}{port}{parts.path.rstrip('/')}"

    def scrub(self, text: str) -> str:
        """The text without the key, in whole or as far as servers like to quote it."""
        for part in (self.key, self.key[-24:], self.key[:16]):
            if len(part) >= 8:
                text = text.replace(part, "***")
        return text


def find_endpoint(deployment: Deployment) -> Endpoint:
    """The endpoint of connection `openai_default`.

    Raises ConfigurationError when there is none, or when it says something impossible.
    """
    found = deployment.connection(CONNECTION)
    if found is None:
        raise ConfigurationError(
            f"The Airflow connection {CONNECTION} is missing: models named openai:… need it. "
            f"Create it in the UI, or set AIRFLOW_CONN_OPENAI_DEFAULT to a JSON object with "
            f"conn_type openai, password (the key) and, for another server, host (its URL)."
        )
    extra = dict(found.extra)
    unknown = sorted(set(extra) - set(_ALLOWED))
    if unknown:
        raise ConfigurationError(
            f"The extra of connection {CONNECTION} has an unknown entry {unknown[0]!r}; allowed "
            f"are {', '.join(_ALLOWED)}."
        )
    url = _url(found, extra)
    if not found.password and url == _DEFAULT_URL:
        raise ConfigurationError(
            f"The Airflow connection {CONNECTION} has no password: put the API key there."
        )
    key = found.password or "none"
    if not key.isascii() or not key.isprintable() or " " in key:
        # Without a look at what is sent, this would seem to be a broken connection.
        raise ConfigurationError(
            f"The password of connection {CONNECTION} should be a key of printable ASCII characters, "
            f"has {len(key)}, one of them a space, a line end or no ASCII: enter it again."
        )
    return Endpoint(
        base_url=url,
        key=key,
        provider=str(extra.get("provider", "openai")),
        timeout=_number(extra, "timeout", 60.0, 0.05, 3_600),
        tries=int(_number(extra, "tries", 6, 1, 100)),
        options=extra,
    )


def _url(found: Connection, extra: Mapping[str, Any]) -> str:
    url = str(extra.get("base_url") or found.host or _DEFAULT_URL)
    if "://" not in url:
        port = f":{found.port}" if found.port else ""
        url = f"{found.schema or 'https'}://{url}{port}/v1"
    parts = urlsplit(url)
    secret = parts.username or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or secret:
        raise ConfigurationError(
            f"Connection {CONNECTION} should have a host like https://server/v1, without user, "
            f"password or query in it, has one with scheme {parts.scheme!r} and host {parts.hostname!r}."
        )
    return url.rstrip("/")


def _number(extra: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = extra.get(name, default)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not low <= number <= high:
        raise ConfigurationError(
            f"The extra of connection {CONNECTION} should have {name} from {low:g} to {high:g}, "
            f"has {value!r}."
        )
    return number


def number(endpoint: Endpoint, name: str, default: float, low: float, high: float) -> float:
    """A number of the endpoint's options. Raises ConfigurationError outside its range."""
    return _number(endpoint.options, name, default, low, high)


def option(endpoint: Endpoint, name: str, default: int, low: int, high: int) -> int:
    """A whole number of the endpoint's options. Raises ConfigurationError outside its range."""
    return int(_number(endpoint.options, name, default, low, high))
