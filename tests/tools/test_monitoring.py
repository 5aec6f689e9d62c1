"""What Prometheus scrapes and its rules: about services, metrics, Dags and pages that exist.

`python -m tests.integration.monitoring` lets the real programs read the same files.
"""

from __future__ import annotations

import importlib.util
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from include.serving.command import PORT
from include.serving.lake_gauges import Look
from include.serving.measured import Measured
from include.storage.index_entries import Index

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOYMENT = REPOSITORY / "docs" / "deployment"
SERVICES: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text())["services"]  # fmt: skip


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOYMENT / name).read_text())


JOBS = {job["job_name"]: job for job in read("prometheus.yml")["scrape_configs"]}
MAPPED = {rule["match"].removeprefix("airflow."): rule for rule in read("statsd-mapping.yml")["mappings"]}  # fmt: skip
RULES = [rule for group in read("alerts.yml")["groups"] for rule in group["rules"]]
FUNCTIONS = [
    "absent",
    "histogram_quantile",
    "increase",
    "last_over_time",
    "max",
    "min",
    "min_over_time",
    "rate",
    "sum",
    "time",
]
WORDS = ["and", "by", "le", "on", "or", "unless", "offset"]


def measured() -> Measured:
    """The metrics of an API, each with at least one sample."""
    here = Measured()
    here.request("/v1/search", "POST", 200, 0.1)
    here.answer({"model": "m", "problems": [], "cost_usd": "0", "usage": {"input_tokens": 1, "output_tokens": 1}})  # fmt: skip
    here.waiting.labels("answers").set(0)
    index = Index("live", embedder="e", chunker="c")
    here.lake.look = Look(index, datetime.now(UTC), 1, Decimal(1), Decimal(2))
    return here


def of_the_api() -> dict[str, set[str]]:
    """The name of each series of the API, and its labels."""
    text = bytes(measured().response().body).decode()
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    return {sample.name: set(sample.labels) for sample in samples}


def of_airflow() -> dict[str, set[str]]:
    """The name of each series that the mapping names, and its labels."""
    names: dict[str, set[str]] = {}
    for match, rule in MAPPED.items():
        labels = set(rule.get("labels", {})) | ({"dag_id", "run_type"} if "dagrun" in match else set())  # fmt: skip
        for end in ("_sum", "_count") if rule["name"].endswith("_seconds") else ("",):
            names[rule["name"] + end] = labels
    return names


def selectors(expression: str) -> list[tuple[str, dict[str, str]]]:
    """Every metric that an expression reads, and the values that it compares labels with."""
    bare = re.sub(r"#.*", "", expression)
    bare = re.sub(r"\b(by|on) \([^)]*\)|\[[^\]]*\]|\boffset \w+", "", bare)
    found = re.findall(r"([a-zA-Z_][a-zA-Z0-9_]*)(?:\{([^}]*)\})?", bare.replace('"', "'"))
    # What stands inside braces is matched with the name before it.
    return [
        (name, dict(re.findall(r"(\w+)=~?'([^']*)'", inside)))
        for name, inside in found
        if name not in (*FUNCTIONS, *WORDS)
    ]


def test_rules_read_only_metrics_and_labels_that_exist():
    known = of_the_api() | of_airflow() | {"up": {"job"}}
    given_by_prometheus = {"job", "instance"}
    read_by = {rule["alert"]: selectors(rule["expr"]) for rule in RULES}
    assert all(read_by.values())
    for alert, found in read_by.items():
        for name, labels in found:
            assert name in known, f"{alert} reads {name}"
            assert labels.keys() <= known[name] | given_by_prometheus, f"{alert}: {name} {labels}"


def test_rules_compare_labels_with_values_that_exist(serve_paths):
    values = {
        "job": set(JOBS),
        "route": serve_paths,
        "dag_id": {file.stem for file in (REPOSITORY / "dags").glob("*.py")},
        "component": {rule["labels"]["component"] for rule in MAPPED.values() if "labels" in rule},
        "status": {"500", "503", "504"},
    }
    assert values["component"] <= set(SERVICES)
    compared = [pair for rule in RULES for _, pairs in selectors(rule["expr"]) for pair in pairs.items()]  # fmt: skip
    assert {label for label, _ in compared} == set(values)
    for label, pattern in compared:
        for each in pattern.split("|"):
            assert any(re.fullmatch(each, value) for value in values[label]), (label, each)


def test_every_metric_that_the_mapping_names_is_sent_by_airflow_and_named_by_its_kind():
    [package] = importlib.util.find_spec("airflow").submodule_search_locations
    template = Path(package) / "_shared/observability/metrics/metrics_template.yaml"
    kinds = {each["name"]: each["type"] for each in yaml.safe_load(template.read_text())["metrics"]}
    ends = {"counter": "_total", "timer": "_seconds", "gauge": ""}
    for match, rule in MAPPED.items():
        assert match in kinds, match
        assert rule["name"].endswith(ends[kinds[match]]), rule["name"]


def test_airflow_sends_one_name_for_all_dags_with_tags_to_the_exporter():
    values = SERVICES["scheduler"]["environment"]
    assert values["AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED"] == "True"
    assert values["AIRFLOW__METRICS__LEGACY_NAMES_ON"] == "False"
    assert values["AIRFLOW__METRICS__STATSD_HOST"] in SERVICES
    assert JOBS["airflow"]["static_configs"][0]["targets"] == ["statsd-exporter:9102"]


def test_every_server_of_the_api_is_scraped_by_itself_with_a_key_for_that_alone(serve_paths):
    [found] = JOBS["api"]["dns_sd_configs"]
    assert (found["names"], found["type"], found["port"]) == (["api"], "A", PORT)
    assert "api" in SERVICES
    assert "metrics_path" not in JOBS["api"]
    assert "/metrics" in serve_paths
    secrets = yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text())["secrets"]
    [secret] = SERVICES["prometheus"]["secrets"]
    name = secret["source"]
    assert secret["mode"] == 0o444  # Prometheus is not root
    assert JOBS["api"]["authorization"] == {"credentials_file": f"/run/secrets/{name}"}
    assert secrets[name] == {"environment": "RAG_METRICS_KEY"}
    assert SERVICES["api"]["environment"]["RAG_METRICS_KEY"] == "${RAG_METRICS_KEY:-}"


def test_each_file_is_where_its_program_looks_for_it():
    mounts = {
        Path(volume.split(":")[0]).name: volume.split(":")[1]
        for name in ("prometheus", "statsd-exporter")
        for volume in SERVICES[name]["volumes"]
    }
    assert mounts["prometheus.yml"] == "/etc/prometheus/prometheus.yml"
    [rules] = read("prometheus.yml")["rule_files"]
    assert mounts[rules] == f"/etc/prometheus/{rules}"
    assert SERVICES["statsd-exporter"]["command"].endswith(f"={mounts['statsd-mapping.yml']}")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do_and_where_that_is_written(rule):
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    page, _, section = rule["annotations"]["runbook"].partition("#")
    text = (REPOSITORY / page).read_text()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    assert section in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
    if section == "when-an-alert-fires":
        assert f"`{rule['alert']}`" in text
    labels = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert labels <= {"instance", *re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"])))}  # fmt: skip


def test_every_alert_fires_in_a_test_of_promtool_and_is_told_in_the_documentation():
    files = sorted(Path(__file__).parent.glob("alerts*_test.yml"))
    tested = "".join(file.read_text() for file in files)
    told = (REPOSITORY / "docs" / "deployment.md").read_text()
    assert {each for rule in RULES if (each := rule["alert"]) not in tested} == set()
    assert {each for rule in RULES if f"`{(each := rule['alert'])}`" not in told} == set()


@pytest.fixture
def serve_paths(world) -> set[str]:
    """The routes of the API."""
    from include.serving.server import serving

    with serving(world(), "127.0.0.1") as app:
        return set(app.openapi()["paths"])
