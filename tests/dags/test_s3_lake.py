"""The Dags with documents and lake in a bucket: nothing of a run stays on the worker's disk."""

from __future__ import annotations

from typing import Any

import pytest

from include.deployment import EnvironmentDeployment
from include.storage.s3_client import S3Access
from tests.dags.test_dags import run, states

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.xdist_group("airflow"),
]


@pytest.fixture
def client(
    bucket: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> Any:
    """The bucket's; source and lake are in it, and temporary files have a folder of their own."""
    environment |= {"RAG_SOURCE_URI": f"{bucket}/docs", "RAG_LAKE_URI": f"{bucket}/lake"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = S3Access(EnvironmentDeployment().connection("rag_s3")).client
    for name in ("alpha", "beta"):
        body = f"A document about {name}.".encode()
        client.put_object(Bucket=bucket.removeprefix("s3://"), Key=f"docs/{name}.md", Body=body)
    return client


def test_documents_in_a_bucket_are_found_ingested_into_a_bucket_verified_and_repaired(
    dags, client, bucket, world, inbox, tmp_path
):
    _, tasks = run(dags["sync_source"])
    assert states(tasks, "announce") == {"success"}
    assert run(dags["ingest_documents"])[0] == "success"
    _, tasks = run(dags["sync_source"])
    assert states(tasks, "announce") == {"skipped"}, "source and manifest agree"
    lake = world()
    assert [bool(lake.store.search_text(lake.live_index(), word, 3)) for word in ("alpha", "beta")] == [True, True]  # fmt: skip

    lake.database.open(f"chunks_{lake.index_name}").delete("true")
    state, tasks = run(dags["maintain_index"])
    assert (state, states(tasks, "verify")) == ("failed", {"failed"})
    assert run(dags["maintain_index"], repair=True)[0] == "success"
    assert run(dags["ingest_documents"])[0] == "success"
    assert run(dags["maintain_index"])[0] == "success"
    healed = world()
    assert healed.store.count(healed.live_index()) == 2
    assert not any(path.is_file() for path in tmp_path.rglob("*")), "nothing on this machine's disk"
