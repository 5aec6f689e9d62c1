"""The local Airflow's folder, environment, port and processes, without starting Airflow."""

from __future__ import annotations

import configparser
import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tools.airflow_home import AirflowHome, Running
from tools.components import BEFORE_THE_SCHEDULER, COMMANDS
from tools.console import RefusalError
from tools.environment import demo_settings, platform_environment
from tools.local_airflow import port_number
from tools.processes import Leader, end_session, port_is_free, port_owner

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", child], process_group=0)
time.sleep(60)
"""


def _configuration(home: AirflowHome) -> configparser.ConfigParser:
    read = configparser.ConfigParser()
    read.read(home.path / "airflow.cfg")
    return read


def test_everything_listens_on_this_machine_only_and_on_one_port(tmp_path: Path) -> None:
    home = AirflowHome(tmp_path / "home", tmp_path)
    home.create(port=8123)
    written = _configuration(home)
    assert written["api"]["host"] == "127.0.0.1"
    assert written["api"]["port"] == "8123"
    assert written["core"]["execution_api_server_url"] == "http://127.0.0.1:8123/execution/"
    assert all("--skip-serve-logs" in COMMANDS[name] for name in ("scheduler", "triggerer"))


def test_secrets_and_password_survive_a_change_of_port(tmp_path: Path) -> None:
    home = AirflowHome(tmp_path / "home", tmp_path)
    home.create(port=8123)
    before, password = _configuration(home), home.password()
    home.create(port=8124)
    after = _configuration(home)
    for section, key in (("core", "fernet_key"), ("api", "secret_key"), ("api_auth", "jwt_secret")):
        assert before[section][key] == after[section][key] != ""
    assert home.password() == password
    assert after["api"]["port"] == "8124"


def test_two_homes_have_different_secrets_and_none_is_open_to_everybody(tmp_path: Path) -> None:
    homes = [AirflowHome(tmp_path / name, tmp_path) for name in ("one", "two")]
    for home in homes:
        home.create(port=8123)
        assert _configuration(home)["core"]["simple_auth_manager_all_admins"] == "False"
    assert homes[0].password() != homes[1].password()
    assert (
        _configuration(homes[0])["api_auth"]["jwt_secret"]
        != _configuration(homes[1])["api_auth"]["jwt_secret"]
    )


def test_files_with_secrets_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    home = AirflowHome(tmp_path / "home", tmp_path)
    home.create(port=8123)
    for path in (home.path, home.path / "airflow.cfg", home.passwords):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_a_path_with_spaces_and_percent_signs_reaches_airflow_unchanged(tmp_path: Path) -> None:
    home = AirflowHome(tmp_path / "100% my home", tmp_path / "a b%20")
    home.create(port=8123)
    bundles = json.loads(_configuration(home)["dag_processor"]["dag_bundle_config_list"])
    assert bundles[0]["kwargs"]["path"] == str(tmp_path / "a b%20")


def test_what_was_started_is_remembered_and_forgotten(tmp_path: Path) -> None:
    home, running = AirflowHome(tmp_path, tmp_path), Running(12, 34.5, 8123, True)
    home.remember(running)
    assert home.running() == running
    home.remember(None)
    assert home.running() is None
    (tmp_path / "running.json").write_text('{"pid": 1')
    assert home.running() is None


def test_the_api_server_starts_before_the_scheduler() -> None:
    assert "api-server" in BEFORE_THE_SCHEDULER
    assert "scheduler" not in BEFORE_THE_SCHEDULER


FOREIGN = {
    "PATH": "/bin",
    "AIRFLOW_HOME": "/elsewhere",
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "AWS_ACCESS_KEY_ID": "theirs",
    "PYTHONPATH": "/elsewhere",
    "RAG_CHUNK_TOKENS": "128",
    "AIRFLOW_CONN_RAG_S3": "aws://",
    "HTTPS_PROXY": "http://proxy:3128",
}


def test_the_demo_sees_no_setting_or_credential_of_the_user(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RAG_CHUNK_TOKENS=64\nAWS_PROFILE=mine\n")
    own = demo_settings(tmp_path)
    seen = platform_environment(FOREIGN, home=tmp_path / "h", repository=tmp_path, own=own)
    assert {name for name in seen if name.startswith(("RAG_", "AWS_", "AIRFLOW"))} == {
        *own,
        "AIRFLOW_HOME",
    }
    assert seen["AIRFLOW_HOME"] == str(tmp_path / "h")
    assert seen["PATH"] == "/bin"


def test_the_users_airflow_sees_dotenv_and_the_shell_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "# mine\nRAG_CHUNK_TOKENS=64\nRAG_EMBEDDER='local:x'\nAWS_PROFILE=mine\nRAG_REDIS_URL=\n"
    )
    seen = platform_environment(FOREIGN, home=tmp_path / "h", repository=tmp_path, own=None)
    assert seen["RAG_CHUNK_TOKENS"] == "128"
    assert seen["RAG_EMBEDDER"] == "local:x"
    assert seen["AIRFLOW_CONN_RAG_S3"] == "aws://"
    assert seen["AWS_PROFILE"] == "mine"
    assert "RAG_REDIS_URL" not in seen
    assert "AWS_ACCESS_KEY_ID" not in seen
    assert "AIRFLOW__CORE__EXECUTOR" not in seen
    assert seen["PYTHONPATH"] == str(tmp_path)


def test_a_proxy_does_not_stand_between_tasks_and_the_api(tmp_path: Path) -> None:
    inherited = FOREIGN | {"NO_PROXY": "intranet"}
    seen = platform_environment(inherited, home=tmp_path, repository=tmp_path, own=None)
    assert seen["NO_PROXY"] == seen["no_proxy"] == "intranet,127.0.0.1"


@pytest.mark.parametrize("text", ["0", "80", "65536", "http", "-1", ""])
def test_a_port_nobody_may_use_is_refused(text: str) -> None:
    with pytest.raises(RefusalError, match="1024 to 65535"):
        port_number(text)


def test_a_busy_port_is_noticed_and_its_owner_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not port_is_free(port)
        assert str(os.getpid()) in port_owner(port)
    assert port_is_free(port)


def test_ending_a_session_reaches_processes_that_ignore_it_and_left_the_group() -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", STUBBORN], start_new_session=True, stdout=subprocess.PIPE
    )
    with started:
        assert started.stdout
        assert started.stdout.readline() == b"up\n"
        leader = Leader.of(started.pid)
        pids = [process.pid for process in leader.members()]
        assert len(pids) == 2
        assert end_session(leader, grace_seconds=0.2) == 2
        started.wait(10)
    assert not leader.is_alive()
    assert not any(_runs(pid) for pid in pids)


def test_a_session_is_ended_although_its_leader_is_dead() -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", STUBBORN], start_new_session=True, stdout=subprocess.PIPE
    )
    with started:
        assert started.stdout
        assert started.stdout.readline() == b"up\n"
        leader = Leader.of(started.pid)
        started.kill()
        started.wait(10)
        assert end_session(leader, grace_seconds=0.2) == 1


def test_a_later_process_with_the_same_number_is_not_taken_for_the_leader() -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", STUBBORN], start_new_session=True, stdout=subprocess.PIPE
    )
    with started:
        assert started.stdout
        assert started.stdout.readline() == b"up\n"
        leader = Leader.of(started.pid)
        stranger = Leader(leader.pid, leader.created - 10_000_000)
        assert leader.members()
        assert stranger.members() == []
        assert not stranger.is_alive()
        end_session(leader, grace_seconds=0.2)


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "airflow.example.com"])
def test_an_airflow_open_to_everybody_is_refused_on_any_address_but_loopback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    from tools import airflow_start, environment

    chosen = {
        "AIRFLOW__API__HOST": host,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    }
    monkeypatch.setattr(environment, "read_dotenv", lambda path: chosen)
    with pytest.raises(RefusalError, match="administrator"):
        airflow_start.environment_for(AirflowHome(tmp_path), demo=False)


def test_on_loopback_it_is_the_users_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tools import airflow_start, environment

    chosen = {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True"}
    monkeypatch.setattr(environment, "read_dotenv", lambda path: chosen)
    started = airflow_start.environment_for(AirflowHome(tmp_path), demo=False)
    assert started["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] == "True"
