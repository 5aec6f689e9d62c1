"""Connections and Variables as Airflow gives them to a task."""

from __future__ import annotations

from airflow.sdk import Connection as AirflowConnection
from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowNotFoundException

from include.deployment import Connection


class AirflowDeployment:
    """A Deployment that asks Airflow: environment, secrets backends, database."""

    def connection(self, connection_id: str) -> Connection | None:
        """The connection, or None when there is none."""
        try:
            found = AirflowConnection.get(connection_id)
        except AirflowNotFoundException:
            return None
        return Connection(
            id=connection_id,
            type=found.conn_type,
            host=found.host,
            port=found.port,
            login=found.login,
            password=found.password,
            schema=found.schema,
            extra=found.extra_dejson,
        )

    def variable(self, name: str) -> str | None:
        """The variable's text, or None when there is none."""
        value: str | None = Variable.get(name, default=None)
        return value
