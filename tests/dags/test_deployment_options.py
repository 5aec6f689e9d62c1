"""What the compose file and the settings tell Airflow; Airflow may only be imported once it has a home."""

from __future__ import annotations

from pathlib import Path

import yaml

COMPOSE = yaml.safe_load((Path(__file__).resolve().parents[2] / "docker-compose.yaml").read_text())


def test_every_airflow_option_it_sets_exists(airflow_home):
    import airflow
    from airflow.configuration import conf

    celery = {"celery"}  # described by the provider, which the image brings
    assert airflow.__version__ == "3.3.2"
    for name in COMPOSE["services"]["worker"]["environment"]:
        if name.startswith("AIRFLOW__"):
            _, section, option = name.lower().split("__")
            known = conf.configuration_description.get(section, {}).get("options", {})
            assert section in celery or option in known, name


def test_embedding_goes_to_its_own_queue_or_template_only_when_asked(airflow_home):
    from include.orchestration.defaults import placed
    from include.settings import EmbedWorkers

    assert placed(EmbedWorkers("", "")) == {}
    assert placed(EmbedWorkers("gpu", "/t.yaml")) == {
        "queue": "gpu",
        "executor_config": {"pod_template_file": "/t.yaml"},
    }
    assert placed(EmbedWorkers("", "", 4)) == {"max_active_tis_per_dagrun": 4}


def test_a_backfill_embeds_after_what_is_ingested(dags):
    from airflow.task.priority_strategy import validate_and_load_priority_weight_strategy as rule

    ingests, backfills = (
        dags[name].get_task("embed") for name in ("ingest_documents", "reembed_corpus")
    )
    assert ingests.pool == backfills.pool == "embedding"
    assert rule(backfills.weight_rule) == rule("absolute")
    assert backfills.priority_weight == 1
    assert rule(ingests.weight_rule) == rule("downstream"), "1, and 1 for each task after it"
