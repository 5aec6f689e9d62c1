"""Compose file, image, workflow, Helm values and policies: valid, pinned, and about things that exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOYMENT = REPOSITORY / "docs" / "deployment"
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
AIRFLOW = [name for name, service in SERVICES.items() if service.get("build")]
EXAMPLE = (REPOSITORY / ".env.example").read_text()


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.compose-spec", "docker-compose.yaml"),
        ("vendor.github-workflows", ".github/workflows/ci.yaml"),
    ],
)
def test_files_agree_with_their_published_schema(schema, file):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, file]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_has_no_lint():
    linter = Path(sys.executable).with_name("hadolint")
    command = [linter, "--failure-threshold", "info", "Dockerfile"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_component_of_airflow_is_there_and_healthy_by_its_own_measure():
    assert set(AIRFLOW) == {
        "init", "api", "api-server", "scheduler", "dag-processor", "triggerer", "worker",
    }  # fmt: skip
    for name in [*AIRFLOW, "postgres", "redis", "s3"]:
        assert "healthcheck" in SERVICES[name] or name == "init", name


def test_workers_can_be_scaled():
    worker = SERVICES["worker"]
    assert "container_name" not in worker
    assert "ports" not in worker


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_pinned_limited_and_reachable_from_this_machine_only(name):
    service = SERVICES[name]
    assert re.search(r":v?\d+\.\d+", service["image"]), service["image"]
    assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"])
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:"), port


def test_every_variable_that_must_be_set_is_in_the_example():
    text = (REPOSITORY / "docker-compose.yaml").read_text()
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_0-9]+)", text))
    assert used
    missing = {name for name in used if f"#{name}=" not in EXAMPLE}
    assert missing == set()


def test_the_api_needs_keys_listens_where_it_is_published_and_is_given_time_to_stop():
    from include.serving.command import PORT
    from include.serving.server import DRAIN_SECONDS, refuse_open
    from include.settings import Settings

    service = SERVICES["api"]
    command, values = service["command"], service["environment"]
    assert values["RAG_API_KEYS"].startswith("${RAG_API_KEYS:?")
    refuse_open(command[command.index("--host") + 1], Settings.from_environment({"RAG_API_KEYS": "0" * 16}).api)  # fmt: skip
    assert service["ports"] == [f"127.0.0.1:${{API_PORT:-{PORT}}}:{PORT}"]
    assert f":{PORT}/healthz" in service["healthcheck"]["test"][-1]
    assert service["stop_grace_period"] == "1m"
    assert DRAIN_SECONDS < 60


def test_every_setting_it_passes_exists():
    from include.settings import Settings

    environment = SERVICES["worker"]["environment"]
    platform = {
        name: re.sub(r"^\$\{[A-Z_0-9]+:-(.*)\}$", r"\1", str(value))
        for name, value in environment.items()
        if name.startswith("RAG_")
    }
    settings = Settings.from_environment(platform)
    assert settings.watch.mode == "prefix"
    assert settings.lake_uri.startswith("s3://")


def test_the_connection_it_passes_can_be_read_and_leads_to_its_store():
    from include.deployment import EnvironmentDeployment

    text = SERVICES["worker"]["environment"]["AIRFLOW_CONN_RAG_S3"]
    text = re.sub(
        r"\$\{(S3_[A-Z_]+)[^}]*\}", r"\1", text.removeprefix("${AIRFLOW_CONN_RAG_S3:-")[:-1]
    )
    connection = EnvironmentDeployment({"AIRFLOW_CONN_RAG_S3": text}).connection("rag_s3")
    assert connection is not None
    assert (connection.login, connection.password) == ("S3_ACCESS_KEY", "S3_SECRET_KEY")
    assert connection.extra["endpoint_url"] == "http://s3:8333"
    assert connection.extra["config_kwargs"] == {"s3": {"addressing_style": "path"}}


@pytest.mark.parametrize("name", SERVICES)
def test_every_file_it_mounts_and_service_it_waits_for_exists(name):
    service = SERVICES[name]
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or (REPOSITORY / source).is_file(), volume
    assert set(service.get("depends_on", ())) <= set(SERVICES)


def test_commands_of_ours_exist():
    modules = re.findall(r"python -m ([\w.]+)", json.dumps(SERVICES))
    assert modules == ["tools.load_settings"]
    assert SERVICES["api"]["command"][:4] == ["python", "-m", "include", "serve"]
    for module in modules:
        assert (REPOSITORY / (module.replace(".", "/") + ".py")).is_file()


def test_a_change_of_code_rebuilds_only_the_last_layer_and_the_user_is_not_root():
    lines = (REPOSITORY / "Dockerfile").read_text().splitlines()
    copies = [number for number, line in enumerate(lines) if line.startswith("COPY")]
    runs = [number for number, line in enumerate(lines) if line.startswith("RUN")]
    assert "." in lines[copies[-1]].split()[-2:]
    assert max(runs) < copies[-1]
    assert [line for line in lines if line.startswith("USER")][-1] == "USER 50000"
    assert "+cpu" in "\n".join(lines)


def test_secrets_and_data_stay_out_of_the_image():
    ignored = (REPOSITORY / ".dockerignore").read_text().split()
    assert {".env", ".env.*", ".git", "data", ".venv", ".airflow"} <= set(ignored)


def test_no_secret_is_written_into_a_deployment_file():
    for file in [REPOSITORY / "docker-compose.yaml", *DEPLOYMENT.iterdir()]:
        for name, value in re.findall(r"([A-Z_]*(?:PASSWORD|SECRET|_KEY)): (.+)", file.read_text()):
            assert value.startswith("${"), f"{file.name}: {name}"


@pytest.mark.parametrize("file", sorted(DEPLOYMENT.glob("*.yaml")), ids=lambda file: file.name)
def test_helm_values_and_templates_are_yaml(file):
    assert isinstance(yaml.safe_load(file.read_text()), dict)


def test_the_helm_values_know_only_settings_that_exist():
    from include.settings import Settings

    values = yaml.safe_load((DEPLOYMENT / "values-celery.yaml").read_text())
    environment = {each["name"]: each["value"] for each in values["env"]}
    named = {name: value for name, value in environment.items() if name.startswith("RAG_")}
    assert Settings.from_environment(named).watch.mode == "sqs"
    assert values["workers"]["keda"]["enabled"] is True
    kubernetes = yaml.safe_load((DEPLOYMENT / "values-kubernetes.yaml").read_text())
    for component in ("scheduler", "dagProcessor"):
        [variable] = kubernetes[component]["env"]
        assert Settings.from_environment({variable["name"]: variable["value"]}).embed_workers


def test_the_git_bundle_is_the_root_of_the_repository():
    values = yaml.safe_load((DEPLOYMENT / "values-git.yaml").read_text())
    variables = {each["name"]: each["value"] for each in yaml.safe_load(values["extraEnv"])}
    name = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
    assert name in (REPOSITORY / "Dockerfile").read_text(), "the image's is what has to be replaced"
    [bundle] = json.loads(variables[name])
    assert bundle["classpath"].endswith("GitDagBundle")
    assert "subdir" not in bundle["kwargs"]
    assert "repo_url" not in bundle["kwargs"]


def test_every_option_of_airflow_that_is_set_exists():
    from airflow.configuration import conf

    files = [REPOSITORY / "docker-compose.yaml", REPOSITORY / "Dockerfile", *DEPLOYMENT.glob("*.yaml")]  # fmt: skip
    text = "\n".join(file.read_text() for file in files)
    named = {tuple(map(str.lower, found)) for found in re.findall(r"AIRFLOW__([A-Z_]+?)__([A-Z_]+)\b", text)}  # fmt: skip
    config = yaml.safe_load((DEPLOYMENT / "values-celery.yaml").read_text())["config"]
    named |= {(section, option) for section, options in config.items() for option in options}
    known = conf.configuration_description
    # Celery's provider, whose options these are, comes with the image alone.
    named -= {("celery", each) for each in ("broker_url", "result_backend", "worker_concurrency")}
    assert len(named) > 10
    assert {each for each in named if each[1] not in known.get(each[0], {}).get("options", {})} == set()  # fmt: skip


def policy(name: str) -> list[dict[str, Any]]:
    document = json.loads((DEPLOYMENT / name).read_text())
    assert document["Version"] == "2012-10-17"
    statements: list[dict[str, Any]] = document["Statement"]
    return statements


@pytest.mark.parametrize("name", ["iam-source.json", "iam-lake.json", "iam-queue.json", "queue-policy.json"])  # fmt: skip
def test_policies_allow_named_actions_on_named_resources(name):
    for statement in policy(name):
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in statement["Action"])
        assert all(resource != "*" for resource in statement["Resource"])


@pytest.mark.parametrize(("name", "heading"), [("iam-source.json", "Reading a source"), ("iam-lake.json", "A lake")])  # fmt: skip
def test_policies_allow_what_the_documentation_says_is_needed_and_no_more(name, heading):
    told = (REPOSITORY / "docs" / "s3.md").read_text().partition("## Policies")[2]
    shown = re.search(
        rf"{heading}[^:]*:\n\n((?:    .*\n)+)", told.replace(". A lake:", ".\n\nA lake:")
    )
    assert shown
    documented = {action for each in json.loads(shown[1])["Statement"]
                  for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])}  # fmt: skip
    assert {action for each in policy(name) for action in each["Action"]} == documented


def test_the_source_cannot_be_written():
    allowed = {action for each in policy("iam-source.json") for action in each["Action"]}
    assert not any(word in action for action in allowed for word in ("Put", "Delete", "Write"))
