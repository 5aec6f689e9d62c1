"""The promises of the platform with its lake, and then its source too, in a bucket."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from include.commands.erase import erase
from include.commands.ingest import Switches, plan, sync
from include.commands.main import main
from include.deployment import EnvironmentDeployment
from include.embedding.fake import FakeEmbedder
from include.errors import ConfigurationError, LakeError, TransientError
from include.stages.forget import forget
from include.stages.maintain import compact, prune
from include.storage.lake_files import open_files
from include.storage.s3_client import S3Access
from include.wiring import Platform
from tests.conftest import World
from tests.s3.stores import Store, served

PARAGRAPH = "Every {0} paragraph speaks of its {0} subject alone, in a few plain words about {0}."


def text_about(*subjects: str) -> str:
    return "\n\n".join(PARAGRAPH.format(subject) for subject in subjects)


def run(platform: Platform, **options: bool) -> dict[str, object]:
    receipt, _ = sync(platform, Switches(**options))
    return receipt


def embedded(platform: Platform) -> list[str]:
    assert isinstance(platform.embedder, FakeEmbedder)
    return platform.embedder.embedded


def index_content(platform: Platform) -> dict[str, str]:
    live = platform.registry.live()
    assert live is not None
    rows = platform.store.rows(live.name)
    assert rows["id"].is_unique().all()
    return dict(zip(rows["id"], rows["document_id"], strict=True))


@pytest.fixture
def corpus(inbox: Path) -> Path:
    for name in ("apple", "birch", "cedar"):
        (inbox / f"{name}.txt").write_text(text_about(f"{name}-one", f"{name}-two"))
    return inbox


@pytest.fixture
def on_s3(environment: dict[str, str], bucket: str) -> str:
    """The lake's URI; the worlds of this test use it."""
    environment["RAG_LAKE_URI"] = f"{bucket}/team/lake"
    return environment["RAG_LAKE_URI"]


def test_an_edited_corpus_gives_the_index_of_a_fresh_ingest_and_pays_for_the_edit_only(
    world: World, corpus: Path, on_s3: str, bucket: str
):
    first = run(world())
    assert (first["added"], first["quarantined"]) == (3, 0)
    (corpus / "apple.txt").write_text(text_about("apple-one", "apple-new", "apple-two"))
    (corpus / "birch.txt").unlink()
    shutil.copy(corpus / "cedar.txt", corpus / "copy.txt")
    run(edited := world())
    assert embedded(edited)
    assert all("apple-new" in text for text in embedded(edited))
    run(fresh := world(RAG_LAKE_URI=f"{bucket}/fresh"))
    assert index_content(edited) == index_content(fresh)


def test_a_second_sync_embeds_nothing_and_commits_nothing(world: World, corpus: Path, on_s3: str):
    run(first := world())
    versions = {name: first.database.open(name).version for name in first.database.names()}
    again = world()
    assert run(again)["unchanged"] == 3
    assert embedded(again) == []
    assert {n: again.database.open(n).version for n in again.database.names()} == versions


def test_a_bad_document_is_set_aside_and_its_last_good_version_stays(
    world: World, corpus: Path, on_s3: str
):
    run(world())
    (corpus / "apple.txt").write_bytes(b"")
    assert run(platform := world())["quarantined"] == 1
    assert platform.store.search_text(platform.index_name, "apple-one", 1)


def test_a_crash_in_the_middle_of_embedding_is_not_paid_for_twice(
    world: World, corpus: Path, on_s3: str
):
    crashing = world(RAG_EMBED_BATCH_TEXTS="1")
    assert isinstance(crashing.embedder, FakeEmbedder)
    crashing.embedder.fail_after = 2
    with pytest.raises(TransientError):
        run(crashing)
    run(resumed := world())
    assert len(embedded(crashing)) == 2
    assert not set(embedded(crashing)) & set(embedded(resumed))


def test_a_plan_counts_exactly_and_changes_nothing(world: World, corpus: Path, on_s3: str):
    planned = plan(platform := world())
    assert embedded(platform) == []
    receipt = run(world())
    assert planned["chunks"] == receipt["chunks"]
    assert planned["chunks_to_embed"] == receipt["embedded"]


def test_an_empty_listing_deletes_nothing_until_a_person_allows_it(
    world: World, corpus: Path, on_s3: str
):
    run(world())
    for file in corpus.iterdir():
        file.unlink()
    receipt, status = sync(world())
    assert (receipt["withheld"], status) == (3, 1)
    run(world(), allow_deletions=True)
    assert index_content(world()) == {}


def test_maintenance_compacts_tables_and_prunes_old_runs(world: World, corpus: Path, on_s3: str):
    run(platform := world())
    before = index_content(platform)
    assert len(platform.lake.runs()) == 1
    assert prune(platform.lake, before=datetime.now(UTC) - timedelta(hours=1)).runs == 0
    assert prune(platform.lake, before=datetime.now(UTC) + timedelta(hours=1)).runs == 1
    assert platform.lake.files.list("runs") == []
    compact(platform.upkeep, older_than=timedelta(milliseconds=1))
    assert index_content(world()) == before


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict]:
    status = main([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_every_command_works_with_source_and_lake_in_buckets(
    environment: dict[str, str],
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    client = S3Access(EnvironmentDeployment().connection("rag_s3")).client
    name = bucket.removeprefix("s3://")
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for subject in ("apple", "birch"):
        body = text_about(f"{subject}-one", f"{subject}-two").encode()
        client.put_object(Bucket=name, Key=f"docs/{subject} tree.txt", Body=body)
    environment |= {"RAG_SOURCE_URI": f"{bucket}/docs", "RAG_LAKE_URI": f"{bucket}/lake"}
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert command(capsys, "sync")[1]["added"] == 2
    status, found = command(capsys, "search", "apple-one", "-k", "1")
    assert (status, found["hits"][0]["uri"]) == (0, f"{bucket}/docs/apple%20tree.txt")
    status, answer = command(capsys, "ask", "What does the apple-one paragraph speak of?")
    assert answer["citations"]
    assert command(capsys, "trace", answer["trace_id"])[0] == 0
    assert command(capsys, "status")[1]["documents"] == 2
    status, verified = command(capsys, "verify", "--source")
    assert (status, verified["problems"]) == (0, [])
    client.delete_object(Bucket=name, Key="docs/apple tree.txt")
    status, receipt = command(capsys, "erase", f"{bucket}/docs/apple%20tree.txt")
    held = client.list_object_versions(Bucket=name, Prefix="lake/")
    assert all(each["IsLatest"] for each in held["Versions"])
    assert not held.get("DeleteMarkers")
    assert (status, receipt["documents"]) == (0, 1), receipt
    assert command(capsys, "search", "apple-one")[1]["hits"][0]["uri"].endswith("birch%20tree.txt")
    assert command(capsys, "sync")[1]["unchanged"] == 1


@pytest.fixture
def versioned(bucket: str) -> str:
    """The bucket's name; it has versioning."""
    name = bucket.removeprefix("s3://")
    client = S3Access(EnvironmentDeployment().connection("rag_s3")).client
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.mark.parametrize("page_keys", [1, 2, 3, 5, 1000])
def test_what_was_deleted_does_not_come_back_while_its_versions_are_forgotten(
    versioned: str, page_keys: int
):
    access = S3Access(EnvironmentDeployment().connection("rag_s3"))
    files = open_files(f"s3://{versioned}/lake", access)
    for number in range(3):
        for name in ("kept", "secret", "until"):
            files.write(name, f"{name} {number}".encode())
    files.delete(["secret"])

    def small_pages(params: dict[str, object], **_: object) -> None:
        params["MaxKeys"] = page_keys

    access.client.meta.events.register("provide-client-params.s3.ListObjectVersions", small_pages)
    assert files.forget_versions() == 2 + 4 + 2
    assert [each.path for each in files.list()] == ["kept", "until"]
    assert files.read("secret") is None
    other = S3Access(EnvironmentDeployment().connection("rag_s3"))  # whose pages are large
    held = other.client.list_object_versions(Bucket=versioned, Prefix="lake/")
    assert "DeleteMarkers" not in held
    assert [each["Key"] for each in held["Versions"]] == ["lake/kept", "lake/until"]


def test_versions_from_before_versioning_are_forgotten_too(bucket: str):
    access = S3Access(EnvironmentDeployment().connection("rag_s3"))
    name = bucket.removeprefix("s3://")
    files = open_files(f"{bucket}/lake", access)
    files.write("a", b"null version")
    access.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    files.write("a", b"new")
    assert files.forget_versions() == 1
    assert files.read("a") == b"new"


def test_nothing_is_erased_while_documents_lie_below_a_lake_whose_old_versions_would_go(
    world: World, bucket: str, versioned: str
):
    client = S3Access(EnvironmentDeployment().connection("rag_s3")).client
    for text in (b"Apples are green.", b"Apples are red."):
        client.put_object(Bucket=versioned, Key="docs/apple.txt", Body=text)
    run(platform := world(RAG_SOURCE_URI=f"{bucket}/docs", RAG_LAKE_URI=bucket))
    with pytest.raises(ConfigurationError, match="prefix of its own"):
        erase(platform, f"{bucket}/docs/pear.txt", settle_seconds=0)
    held = client.list_object_versions(Bucket=versioned, Prefix="docs/")
    assert len(held["Versions"]) == 2


def test_a_deletion_that_the_store_was_too_busy_for_is_worth_a_later_try(bucket: str):
    access = S3Access(EnvironmentDeployment().connection("rag_s3"))
    files = open_files(f"{bucket}/lake", access)
    files.write("a", b"x")

    def fail(parsed: dict[str, object], **_: object) -> None:
        parsed["Errors"] = [{"Key": "lake/a", "Code": codes.pop()}]

    codes = ["AccessDenied", "InternalError"]
    access.client.meta.events.register("after-call.s3.DeleteObjects", fail)
    with pytest.raises(TransientError, match="busy"):
        files.delete(["a"])
    with pytest.raises(LakeError, match="s3:DeleteObject"):
        files.delete(["a"])


@pytest.mark.parametrize(
    ("lake", "other"),
    [
        ("s3://bucket/lake", "s3://bucket/other/a"),
        ("s3://bucket/lake", "s3://elsewhere/lake/a"),
        ("file:///lake", "file:///other/a"),
    ],
)
def test_a_uri_of_another_lake_is_refused(lake: str, other: str):
    with pytest.raises(LakeError, match="another lake"):
        open_files(lake, S3Access()).path(other)


@pytest.mark.parametrize("kind", ["busy", "denied", "expired"])
def test_nothing_is_forgotten_when_an_artifact_that_may_claim_it_cannot_be_read(
    world: World, corpus: Path, on_s3: str, s3: Store, monkeypatch: pytest.MonkeyPatch, kind: str
):
    monkeypatch.setattr("include.storage.s3_files._RETRIES", {"max_retries": 1})
    crashing = world(RAG_EMBED_BATCH_TEXTS="1")
    assert isinstance(crashing.embedder, FakeEmbedder)
    crashing.embedder.fail_after = 2
    with pytest.raises(TransientError):
        run(crashing)
    behind = served("tests.s3.bad_proxy", s3.endpoint, kind, "1", ".parquet")
    with behind as proxy, monkeypatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_RAG_S3", proxy.connection())
        failing = world()
        with pytest.raises(TransientError, match="nothing was concluded"):
            forget(failing.lake, failing.database, vectors_before=datetime.now(UTC))
    assert world().cache.count() == 2
    run(resumed := world())
    assert not set(embedded(crashing)) & set(embedded(resumed))


def test_polars_is_as_patient_as_lancedb(bucket: str):
    access = S3Access(EnvironmentDeployment().connection("rag_s3"))
    files = open_files(f"{bucket}/lake", access)
    files.write_frame("a.parquet", pl.DataFrame({"a": [1]}))
    asked: list[dict[str, object]] = []
    scan = pl.scan_parquet
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pl, "scan_parquet", lambda *a, **k: asked.append(k) or scan(*a, **k))
        assert files.scan(["a.parquet"]).collect()["a"].to_list() == [1]
    options = asked[0]["storage_options"]
    assert isinstance(options, dict)
    assert (options["max_retries"], options["retry_timeout_ms"]) == (10, 180_000)
    assert options["client_max_retries"] == "10"
    assert options["client_retry_timeout"] == "180"
