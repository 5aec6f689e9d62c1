"""Search over HTTP: what the command line prints, of what is live, for who may read it."""

from __future__ import annotations

import uuid

import httpx
import pytest

from include.commands.ingest import Switches, sync
from include.commands.query import search, searcher
from include.serving.doors import BODY_BYTES
from include.spending.ledger import today_utc
from tests.serving.running import eventually

HR, PLAIN, ROOT = "hr-key-0123456789", "plain-key-0123456789", "root-key-0123456789"
KEYS = f"{PLAIN} {HR}|hr|staff,{ROOT}|*"


def error_of(answer: httpx.Response) -> dict[str, str]:
    body = answer.json()
    assert list(body) == ["error"]
    assert body["error"]["message"].endswith(".")
    return body["error"]


def names(answer: httpx.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {hit["uri"].rpartition("/")[2] for hit in answer.json()["hits"]}


@pytest.mark.parametrize("mode", ["hybrid", "vector", "text"])
def test_a_search_gives_what_the_command_line_prints(serve, lake, mode):
    here = serve()
    found = here.post("/v1/search", text="retries failing calls", k=2, mode=mode)
    assert found.status_code == 200
    expected = search(searcher(here.platform), "retries failing calls", k=2, mode=mode)
    assert found.json() == expected


def test_a_filter_narrows_a_search(serve, lake):
    here = serve()
    assert names(here.post("/v1/search", text="calls", filter="title = 'Cache'")) == {"cache.md"}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "text: Field required"),
        ({"text": "  "}, "at least 1 character"),
        ({"text": "x" * 10_001}, "at most 10000"),
        ({"text": "\x1c"}, "contain a word"),
        ({"text": "x", "k": 0}, "k: "),
        ({"text": "x", "k": 1_001}, "is 1001"),
        ({"text": "x", "mode": "magic"}, "'hybrid'"),
        ({"text": "x", "filter": "nope ="}, "filter cannot be read"),
        ({"text": "x", "as": [""]}, "acl should be"),
        ({"text": "x", "as": "hr"}, "as: "),
        ({"text": "x", "query": "y"}, "query: "),
    ],
)
def test_what_cannot_be_used_is_told_by_name(serve, lake, body, word):
    answer = serve().post("/v1/search", **body)
    assert answer.status_code == 400
    told = error_of(answer)
    assert told["type"] == "invalid_request"
    assert word in told["message"]


def test_a_body_that_is_no_json_is_told_so(serve, lake):
    with serve().client() as client:
        for body, kind in ((b'{"text"', "application/json"), (b'{"text": "a"}', "text/plain")):
            answer = client.post("/v1/search", content=body, headers={"Content-Type": kind})
            assert answer.status_code == 400
            assert "application/json" in error_of(answer)["message"]


def test_what_does_not_exist_is_404_by_name(serve, lake):
    here = serve()
    answer = here.post("/v1/search", text="x", index="nowhere")
    assert (answer.status_code, "'nowhere'" in error_of(answer)["message"]) == (404, True)
    with here.client() as client:
        answer = client.get("/v1/nothing")
        assert (answer.status_code, "/v1/nothing" in error_of(answer)["message"]) == (404, True)
        answer = client.put("/v1/search")
        assert (answer.status_code, "PUT /v1/search" in error_of(answer)["message"]) == (405, True)
        assert answer.headers["allow"] == "POST"


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(serve, lake):
    with serve().client() as client:
        body = b" " * (BODY_BYTES + 1)
        for content in (body, iter([body[:-9], b" " * 9])):
            answer = client.post("/v1/search", content=content)
            assert answer.status_code == 413
            assert error_of(answer)["type"] == "too_large"


def test_before_the_first_sync_it_waits_and_then_answers_without_a_restart(serve, inbox, world):
    here = serve(ready=False)
    with here.client() as client:
        assert client.get("/healthz").status_code == 200
        answer = here.post("/v1/search", text="x")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "python -m include sync" in error_of(answer)["message"]
        eventually(lambda: "no index" in error_of(client.get("/readyz"))["message"])
        (inbox / "one.md").write_text("The first document.")
        sync(world())
        assert names(here.post("/v1/search", text="first document")) == {"one.md"}
        eventually(lambda: client.get("/readyz").status_code == 200)


def test_a_switch_of_the_index_is_followed_without_a_restart(serve, inbox, world):
    (inbox / "one.md").write_text("The first document.")
    sync(world())
    here = serve()
    before = here.post("/v1/search", text="first").json()["index"]
    sync(world(RAG_EMBEDDER="fake:16"), Switches(rebuild=True))
    for _ in range(3):
        after = here.post("/v1/search", text="first").json()
    assert after["index"] == here.platform.registry.live().name != before
    assert after["hits"]
    assert here.post("/v1/search", text="first", index=before).json()["index"] == before
    here.platform.registry.promote(before)
    assert here.post("/v1/search", text="first").json()["index"] == before
    assert len(here.platform.beside) == 1


def test_a_key_reads_as_its_labels_and_a_request_can_only_narrow_them(serve, lake):
    here = serve(RAG_API_KEYS=KEYS)
    everything, public = {"retry.md", "cache.md", "salary.md"}, {"retry.md", "cache.md"}

    def found(key: str, **more: object) -> set[str]:
        return names(here.post("/v1/search", key=key, text="salaries paid calls", **more))

    assert found(PLAIN) == public
    assert found(HR) == everything
    assert found(HR, **{"as": ["hr"]}) == everything
    assert found(HR, **{"as": ["staff"]}) == public
    assert found(HR, **{"as": []}) == public
    assert found(ROOT) == everything
    assert found(ROOT, **{"as": ["whoever"]}) == public
    for key, label in ((PLAIN, "hr"), (HR, "boss")):
        answer = here.post("/v1/search", key=key, text="salaries", **{"as": [label]})
        assert answer.status_code == 403
        assert repr(label) in error_of(answer)["message"]


def test_who_reads_by_labels_searches_what_is_live_alone(serve, inbox, world):
    (inbox / "pay.md").write_text("Salaries are paid on the last day of a month.")
    sync(world())
    here = serve(RAG_API_KEYS=KEYS)
    before = here.platform.registry.live().name
    sync(world(RAG_EMBEDDER="fake:16"), Switches(rebuild=True))
    (inbox / "pay.md").write_text(
        "---\nacl: hr\n---\nSalaries are paid on the last day of a month."
    )
    sync(world(RAG_EMBEDDER="fake:16"))
    live = here.platform.registry.live().name
    asked = {"text": "salaries paid", "index": before}
    # What was live before still has the labels of then.
    assert names(here.post("/v1/search", key=ROOT, **asked)) == {"pay.md"}
    for key, claimed in ((PLAIN, {}), (HR, {"as": []}), (ROOT, {"as": ["staff"]})):
        for name in (before, "nowhere"):
            answer = here.post("/v1/search", key=key, **asked | claimed | {"index": name})
            assert answer.status_code == 403
            assert error_of(answer)["type"] == "forbidden"
        assert names(here.post("/v1/search", key=key, **asked | claimed | {"index": live})) == set()


@pytest.mark.parametrize("header", ["", "Bearer wrong", f"Basic {HR}", f"Bearer {HR}x", HR])
def test_without_a_key_that_is_known_nothing_is_read(serve, lake, header):
    here = serve(RAG_API_KEYS=KEYS)
    with here.client() as client:
        headers = {"Authorization": header} if header else {}
        for method, path in (("POST", "/v1/search"), ("GET", "/metrics"), ("GET", "/v1/models")):
            answer = client.request(method, path, headers=headers, content=b"{")
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert HR not in answer.text
            assert error_of(answer)["type"] == "unauthorized"
        for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
            assert client.get(path, headers=headers).status_code == 200


def test_without_keys_it_answers_to_names_of_this_machine_alone(serve, lake):
    with serve().client() as client:
        for host, status in (("localhost:1", 200), ("[::1]:1", 200), ("evil.example", 403)):
            assert client.get("/v1/models", headers={"Host": host}).status_code == status


def test_too_many_requests_of_a_key_are_told_when_to_come_again(serve, lake):
    busy, quiet = (f"{uuid.uuid4()}" for _ in range(2))
    here = serve(RAG_API_KEYS=f"{busy} {quiet}", RAG_API_REQUESTS_PER_MINUTE="3")
    found = [here.post("/v1/search", key=busy, text="x") for _ in range(4)]
    assert [each.status_code for each in found] == [200, 200, 200, 429]
    assert 1 <= int(found[-1].headers["retry-after"]) <= 60
    assert error_of(found[-1])["type"] == "rate_limit"
    assert here.post("/v1/search", key=quiet, text="x").status_code == 200


def test_metrics_count_requests_by_route_and_status(serve, lake):
    here = serve()
    here.post("/v1/search", text="x")
    here.post("/v1/search", text="")
    here.post("/v1/answer", text="What retries failing calls?")
    with here.client() as client:
        client.get("/v1/nothing/at/all")
        lines = client.get("/metrics").text.splitlines()
    for line in (
        'rag_http_requests_total{method="POST",route="/v1/search",status="200"} 1.0',
        'rag_http_requests_total{method="POST",route="/v1/search",status="400"} 1.0',
        'rag_http_requests_total{method="other",route="other",status="404"} 1.0',
        'rag_http_request_seconds_count{route="/v1/search"} 2.0',
        'rag_answers_total{mode="extractive"} 1.0',
        "rag_answer_cost_usd_total 0.0",
        "rag_ready 1.0",
        'rag_work_pending{pool="searches"} 0.0',
    ):
        assert line in lines


def test_the_page_of_routes_needs_nothing_from_elsewhere(serve, lake):
    with serve().client() as client:
        page = client.get("/docs").text
        routes = client.get("/openapi.json").json()["paths"]
    assert set(routes) == {
        "/healthz", "/readyz", "/metrics", "/v1/search", "/v1/answer", "/v1/chat",
        "/v1/chat/completions", "/v1/models", "/v1/models/{name}",
    }  # fmt: skip
    for route in routes:
        assert f"<code>{route}</code>" in page
    assert "<script" not in page
    assert "https://" not in page
    assert "list of string" in page
    assert page.index("<code>text</code>") < page.index("<code>filter</code>")
    assert "<code>python -m include search --json</code>" in page


def test_an_error_of_the_lake_names_no_place_to_the_caller(serve, lake):
    here = serve()
    (lake / "registry.json").write_text("{")
    answer = here.post("/v1/search", text="x")
    assert answer.status_code == 503
    assert str(lake) not in answer.text
    assert "log" in error_of(answer)["message"]


def test_readiness_goes_with_the_lake_and_comes_back_with_it(serve, lake):
    here, registry = serve(), lake / "registry.json"
    sound = registry.read_bytes()
    with here.client() as client:
        for _ in range(2):
            registry.write_bytes(b"{")
            eventually(lambda: client.get("/readyz").status_code == 503)
            registry.write_bytes(sound)
            eventually(lambda: client.get("/readyz").status_code == 200)


def test_queries_go_into_the_log_of_queries_where_one_is_kept(serve, lake):
    here = serve(RAG_QUERY_LOG="text")
    here.post("/v1/search", text="retries failing calls", k=2)
    here.post("/v1/answer", text="What retries failing calls?")
    logged = list(here.platform.query_log.queries(today_utc()))
    assert {(each.kind, each.text, each.hits) for each in logged} == {
        ("search", "retries failing calls", 2),
        ("ask", "What retries failing calls?", 3),
    }
