"""The one place that opens S3: from the Airflow connection `rag_s3`, or from boto3's own chain.

The connection's fields are those of Airflow's amazon provider: login and password are the key,
extra holds `aws_session_token`, `region_name`, `endpoint_url`, `service_config`, `profile_name`,
`role_arn`, `assume_role_kwargs`, `verify`, `config_kwargs`; and, of our own, `extra_args`: parameters
for every S3 call that knows them, as boto3 names them (`RequestPayer`, `ServerSideEncryption` …).
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from include.deployment import Connection
from include.errors import ConfigurationError
from include.storage.s3_errors import translated
from include.storage.s3_options import native_options
from include.storage.s3_parsing import moment, take_objects

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.session import Session

CONNECTION = "rag_s3"

# Adaptive: on 503 SlowDown boto3 also lowers its own rate. Eight attempts take up to a minute.
_DEFAULTS: Mapping[str, Any] = {
    "retries": {"mode": "adaptive", "total_max_attempts": 8},
    "connect_timeout": 10,
    "read_timeout": 60,
    "max_pool_connections": 32,
}
# Its public endpoints. Those of a VPC, FIPS and dual stack are its own, too, but have to be named.
_AMAZON = re.compile(r"https://s3(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?/?")


class S3Access:
    """Who we are and where the store is. Nothing is opened before it is used; safe with threads.

    Raises ConfigurationError for a connection that cannot be used; it never shows a secret.
    """

    def __init__(self, connection: Connection | None = None) -> None:
        if connection is not None and connection.type != "aws":
            raise ConfigurationError(
                f"Connection {connection.id!r} should have conn_type 'aws', has "
                f"{connection.type!r}."
            )
        self._connection = connection
        self._extra: Mapping[str, Any] = connection.extra if connection else {}
        self._opening = threading.Lock()

    def __repr__(self) -> str:
        return f"S3Access({self._endpoint_url('s3') or 'Amazon S3'!r})"

    @property
    def client(self) -> BaseClient:
        """The S3 client, which retries by itself; one for all threads."""
        with self._opening:
            return self._client

    @functools.cached_property
    def _client(self) -> BaseClient:
        from botocore.config import Config

        settings = {**_DEFAULTS, **self._object("config_kwargs")}
        with translated(self._name), _as_configuration(f"{self._name}: extra.config_kwargs"):
            config = Config(**_unsigned(settings))
            client = self._session.create_client(
                "s3",
                endpoint_url=self._endpoint_url("s3"),
                region_name=self._session.get_config_variable("region"),
                verify=self._extra.get("verify"),
                config=config,
            )
        client.meta.events.register("provide-client-params.s3", self._add_arguments)
        client.meta.events.register("before-parse.s3.ListObjectsV2", take_objects)
        return client

    @property
    def store(self) -> str:
        """Where the store is: its endpoint, or the region at Amazon."""
        url = str(self.client.meta.endpoint_url)
        if _AMAZON.fullmatch(url):
            return f"Amazon S3 ({self.client.meta.region_name})"
        return url

    def native_options(self, bucket: str) -> dict[str, str]:
        """How LanceDB and Polars, which bring their own S3 client, get at this bucket.

        Keys that expire are renewed here: ask again for every use.
        """
        with translated(self._name):
            credentials = self._session.get_credentials()
            frozen = credentials.get_frozen_credentials() if credentials else None
        url = "" if self.store.startswith("Amazon S3") else self.store
        style = self._object("config_kwargs").get("s3", {}).get("addressing_style", "auto")
        # Amazon's certificate is for names without further dots; boto3 does the same.
        virtual = style == "virtual" or (style == "auto" and not url and "." not in bucket)
        return native_options(
            bucket,
            endpoint=url,
            region=self.client.meta.region_name,
            virtual=virtual,
            keys=frozen,
            arguments=self._object("extra_args"),
        )

    @functools.cached_property
    def _session(self) -> Session:
        import botocore.session

        session = botocore.session.Session(profile=self._extra.get("profile_name"))
        parsers = session.get_component("response_parser_factory")
        parsers.set_parser_defaults(timestamp_parser=moment)
        if self._extra.get("region_name"):
            session.set_config_variable("region", self._extra["region_name"])
        key, secret = self._keys()
        if key and secret:
            session.set_credentials(key, secret, self._extra.get("aws_session_token"))
        return self._with_role(session) if self._extra.get("role_arn") else session

    def _with_role(self, session: Session) -> Session:
        """The same session in the role, whose keys are renewed before they expire."""
        from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

        method = self._extra.get("assume_role_method", "assume_role")
        if method != "assume_role":
            raise ConfigurationError(
                f"{self._name}: extra.assume_role_method should be 'assume_role', is {method!r}; a "
                f"web identity works without the connection, from the environment of the worker."
            )
        with translated(self._name):
            source = session.get_credentials()
        if source is None:
            raise ConfigurationError(
                f"{self._name}: extra.role_arn needs keys to assume the role with; there are none. "
                f"Give login and password, or run where the machine has a role."
            )
        fetcher = AssumeRoleCredentialFetcher(
            functools.partial(session.create_client, endpoint_url=self._endpoint_url("sts")),
            source,
            self._extra["role_arn"],
            extra_args=self._object("assume_role_kwargs"),
        )
        session._credentials = DeferredRefreshableCredentials(
            fetcher.fetch_credentials, "assume-role"
        )
        return session

    def _keys(self) -> tuple[str | None, str | None]:
        held = self._connection
        if held and held.login:
            return held.login, held.password
        return self._extra.get("aws_access_key_id"), self._extra.get("aws_secret_access_key")

    def _endpoint_url(self, service: str) -> str | None:
        """The endpoint of one service; that of all services is not for assuming roles."""
        own = self._object("service_config").get(service, {}).get("endpoint_url")
        url = own or (self._extra.get("endpoint_url") if service != "sts" else None)
        if url and not urlsplit(str(url)).netloc:
            raise ConfigurationError(
                f"{self._name}: endpoint_url should be like https://host:port, is {url!r}."
            )
        return url or None

    def _object(self, name: str) -> dict[str, Any]:
        value = self._extra.get(name) or {}
        if not isinstance(value, dict):
            raise ConfigurationError(
                f"{self._name}: extra.{name} should be an object, is a {type(value).__name__}."
            )
        return value

    def _add_arguments(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        """Adds what `extra_args` says to the calls that know it."""
        known = model.input_shape.members if model.input_shape else {}
        for name, value in self._object("extra_args").items():
            if name in known:
                params.setdefault(name, value)

    @property
    def _name(self) -> str:
        return f"Connection {self._connection.id!r}" if self._connection else "S3"


def _unsigned(settings: dict[str, Any]) -> dict[str, Any]:
    from botocore import UNSIGNED

    anonymous = settings.get("signature_version") == "unsigned"
    return {**settings, "signature_version": UNSIGNED} if anonymous else settings


class _as_configuration:  # noqa: N801 - reads as the context manager it is
    """Turns what botocore says of arguments it cannot use into ConfigurationError."""

    def __init__(self, subject: str) -> None:
        self._subject = subject

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TypeError | ValueError):
            raise ConfigurationError(f"{self._subject} cannot be used: {error}") from error
