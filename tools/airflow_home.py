"""The folder `.airflow`: the local Airflow's configuration, secrets, database, logs and state.

`airflow.cfg` is generated at every start, so `AIRFLOW_HOME=.airflow airflow …` sees the same
Airflow. Only the secrets in it survive a start; everything is readable by its owner alone.
"""

from __future__ import annotations

import base64
import configparser
import contextlib
import json
import os
import secrets
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
USER = "admin"
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Running:
    """What is remembered about a started Airflow; `pid` leads its session."""

    pid: int
    created: float
    port: int
    demo: bool

    @property
    def url(self) -> str:
        """Where the UI and the REST API are."""
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True, slots=True)
class AirflowHome:
    """Paths and files of one local Airflow."""

    path: Path = REPOSITORY / ".airflow"
    bundle: Path = REPOSITORY

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / "airflow.db"

    @property
    def logs(self) -> Path:
        """Logs of the components (`scheduler.log`, …) and, below, of every task."""
        return self.path / "logs"

    @property
    def passwords(self) -> Path:
        """The file the login page checks against."""
        return self.path / "passwords.json"

    def create(self, *, port: int) -> None:
        """Makes the folder, writes `airflow.cfg` for that port, and a password when there is none."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        write_private(self.path / "airflow.cfg", configuration(self, port, self._secrets()))
        if not self.passwords.exists():
            write_private(self.passwords, json.dumps({USER: secrets.token_urlsafe(9)}) + "\n")

    def password(self) -> str:
        """The generated password of `USER`."""
        return str(json.loads(self.passwords.read_text())[USER])

    def running(self) -> Running | None:
        """What `remember` wrote, or None; says nothing about whether it still runs."""
        try:
            return Running(**json.loads((self.path / "running.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def remember(self, running: Running | None) -> None:
        """Records what was started; None forgets it."""
        if running:
            write_private(self.path / "running.json", json.dumps(asdict(running)))
        else:
            (self.path / "running.json").unlink(missing_ok=True)

    def _secrets(self) -> dict[str, str]:
        """The three keys of an existing `airflow.cfg`, or new ones."""
        known = configparser.ConfigParser(interpolation=None)
        with contextlib.suppress(configparser.Error):
            known.read(self.path / "airflow.cfg")
        fernet = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        return {
            "fernet_key": known.get("core", "fernet_key", fallback=fernet),
            "secret_key": known.get("api", "secret_key", fallback=secrets.token_hex(32)),
            "jwt_secret": known.get("api_auth", "jwt_secret", fallback=secrets.token_hex(64)),
        }


def configuration(home: AirflowHome, port: int, keys: dict[str, str]) -> str:
    """The text of `airflow.cfg`; what is not named keeps Airflow's default."""
    bundle = {
        "name": "rag",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(home.bundle)},
    }
    sections: dict[str, dict[str, object]] = {
        "core": {
            "executor": "LocalExecutor",
            "parallelism": parallelism(),
            "load_examples": False,
            "dags_are_paused_at_creation": False,
            "dags_folder": home.bundle / "dags",
            "plugins_folder": home.bundle / "plugins",
            "fernet_key": keys["fernet_key"],
            "simple_auth_manager_users": f"{USER}:admin",
            "simple_auth_manager_all_admins": False,
            "simple_auth_manager_passwords_file": home.passwords,
            # Tasks report to the API server here; it does not follow [api] port by itself.
            "execution_api_server_url": f"http://{HOST}:{port}/execution/",
            # The default asks the name server, which may be unreachable.
            "hostname_callable": "socket.gethostname",
            # From Python 3.14 the default would import Airflow again in every worker.
            "mp_start_method": "fork" if sys.platform == "linux" else "",
        },
        "database": {"sql_alchemy_conn": f"sqlite:///{home.database}"},
        "api": {
            "host": HOST,
            "port": port,
            "base_url": f"http://{HOST}:{port}",
            "workers": 1,
            "secret_key": keys["secret_key"],
            "instance_name": "RAG data platform",
            # An error's sentence is one long line.
            "default_wrap": True,
        },
        "api_auth": {"jwt_secret": keys["jwt_secret"]},
        "dag_processor": {
            "dag_bundle_config_list": json.dumps([bundle]),
            "dag_bundle_storage_path": home.path / "bundles",
            "refresh_interval": 5,
            "parsing_processes": 1,
        },
        # A task whose scheduler was killed is picked up after half a minute, not after five.
        "scheduler": {"orphaned_tasks_check_interval": 30},
        "logging": {"base_log_folder": home.logs},
        "usage_data_collection": {"enabled": False},
    }
    return "\n".join(
        f"[{section}]\n"
        + "".join(f"{key} = {_escaped(value)}\n" for key, value in entries.items() if value != "")
        for section, entries in sections.items()
    )


def parallelism() -> int:
    """How many tasks run at once: as many as there are cores, between 2 and 8."""
    return min(max(os.cpu_count() or 2, 2), 8)


def write_private(path: Path, text: str) -> None:
    """Replaces the file in one step; only its owner may read it."""
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    scratch.replace(path)


def _escaped(value: object) -> str:
    return str(value).replace("%", "%%")
