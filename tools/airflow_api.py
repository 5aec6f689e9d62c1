"""The few calls of Airflow's REST API that the demo and the start-up need."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

# The API is on this machine: a configured proxy must not be asked.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class UnreachableError(Exception):
    """Nothing answers there, or not in time, or with a server error."""


class RefusedError(Exception):
    """The API answered no; the message holds the status and the reason."""


class AirflowApi:
    """A client for one API server; logs in on the first call that needs it."""

    def __init__(self, url: str, user: str = "", password: str = "") -> None:
        self._url = url
        self._login = {"username": user, "password": password}
        self._token = ""

    def health(self) -> dict[str, str]:
        """The status of every component, `healthy` or not; needs no login."""
        answer = self._call("GET", "/api/v2/monitor/health", None, token="")
        return {name: str(part.get("status")) for name, part in answer.items()}

    def get(self, path: str, **query: object) -> Any:
        """The JSON of `/api/v2` + path."""
        return self._authorised("GET", f"{path}?{urllib.parse.urlencode(query, doseq=True)}", None)

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        """Sends JSON to `/api/v2` + path."""
        return self._authorised("POST", path, body)

    def patch(self, path: str, body: Mapping[str, object]) -> Any:
        """Changes what is at `/api/v2` + path."""
        return self._authorised("PATCH", path, body)

    def _authorised(self, method: str, path: str, body: Mapping[str, object] | None) -> Any:
        if not self._token:
            self._token = self._call("POST", "/auth/token", self._login, token="")["access_token"]
        return self._call(method, "/api/v2" + path, body, token=self._token)

    def _call(self, method: str, path: str, body: object, *, token: str) -> Any:
        request = urllib.request.Request(self._url + path, method=method)
        request.add_header("Accept", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            with _OPENER.open(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            failed = UnreachableError if error.code >= 500 else RefusedError
            raise failed(f"{method} {path}: {error.code} {error.read(300)!r}") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise UnreachableError(f"{method} {self._url}{path}: {error}") from error
