"""What Prometheus is told, and with which key: every request once, the lake without reading it."""

from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from include.errors import LakeError
from include.serving.lake_gauges import EMPTY, LakeGauges, keep_looking, look
from include.serving.measured import Measured
from include.spending.ledger import today_utc
from tests.serving.running import eventually

KEY, MONITOR = "some-key-0123456789", "monitoring-0123456789"
QUESTION = "What retries failing calls?"


def metrics(here, key: str = "") -> dict[str, float]:
    with here.client(key) as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def told(gauges: LakeGauges) -> dict[str, float]:
    return {s.name: s.value for family in gauges.collect() for s in family.samples}


def test_the_metrics_key_opens_the_metrics_and_nothing_else(serve, lake):
    here = serve(RAG_API_KEYS=f"{KEY}|*", RAG_METRICS_KEY=MONITOR)
    assert metrics(here, MONITOR)["rag_ready"] == 1
    assert metrics(here, KEY)["rag_ready"] == 1
    with here.client(MONITOR) as client:
        for method, path in (("POST", "/v1/search"), ("GET", "/v1/models"), ("GET", "/metrics/")):
            answer = client.request(method, path, json={"text": "salaries"})
            assert (answer.status_code, answer.json()["error"]["type"]) == (403, "forbidden")
            assert "RAG_METRICS_KEY" in answer.json()["error"]["message"]
    with here.client(f"{MONITOR}x") as client:
        assert client.get("/metrics").status_code == 401


def test_a_limit_of_questions_is_none_of_scrapes(serve, lake):
    key, monitor = f"{uuid.uuid4()}", f"{uuid.uuid4()}"
    here = serve(RAG_API_KEYS=key, RAG_METRICS_KEY=monitor, RAG_API_REQUESTS_PER_MINUTE="1")
    for _ in range(3):
        metrics(here, monitor)
    assert [here.post("/v1/search", key=key, text="x").status_code for _ in range(2)] == [200, 429]


def test_requests_of_all_threads_are_counted_by_the_process_that_answers(process):
    here = process()

    def ask(number: int) -> int:
        answer = here.post("/v1/search", text=f"retries {number}")
        answered = here.post("/v1/answer", text=f"What retries {number} calls?")
        return answer.status_code + answered.status_code

    with ThreadPoolExecutor(8) as people:
        assert list(people.map(ask, range(12))) == [400] * 12
    seen = metrics(here)
    for route in ("/v1/search", "/v1/answer"):
        name = f'rag_http_requests_total{{method="POST",route="{route}",status="200"}}'
        assert seen[name] == seen[f'rag_http_request_seconds_count{{route="{route}"}}'] == 12
    assert seen['rag_answers_total{mode="generated"}'] == 12


def test_what_is_live_how_old_it_is_and_what_was_set_aside_are_told(serve, lake):
    here = serve()
    eventually(lambda: "rag_index_chunks" in metrics(here))
    seen, live = metrics(here), here.platform.registry.live()
    info = (
        f'rag_index_info{{chunker="{live.chunker}",embedder="{live.embedder}",name="{live.name}"}}'
    )
    assert seen[info] == 1
    assert seen["rag_index_documents"] == here.platform.tables.documents.count() == 3
    assert seen["rag_index_chunks"] == here.platform.store.count(live.name) > 0
    finished = datetime.fromisoformat(str(here.platform.registry.last_sync()["finished_at"]))
    assert seen["rag_index_published_timestamp_seconds"] == finished.timestamp()
    assert seen["rag_quarantined_documents"] == 0
    assert not any("usd" in name for name in seen if name.startswith(("rag_spent", "rag_daily")))


def test_documents_that_were_set_aside_are_counted(world, inbox):
    from include.commands.ingest import sync

    (inbox / "one.md").write_text("A document.")
    (inbox / "bad.pdf").write_bytes(b"%PDF-1.7 broken")
    sync(world())
    assert look(world()).quarantined == 1


def test_before_the_first_sync_nothing_is_told_of_an_index(world):
    gauges = LakeGauges()
    gauges.look = look(world())
    assert told(gauges) == {"rag_quarantined_documents": 0}


def test_what_today_cost_is_told_beside_the_daily_budget(chatting, api):
    here = chatting(AIRFLOW_VAR_RAG_BUDGETS='{"daily_usd": 5}')
    gauges = LakeGauges()
    gauges.look = look(here.platform)
    assert (told(gauges)["rag_spent_today_usd"], told(gauges)["rag_daily_budget_usd"]) == (0, 5)
    answer = here.post("/v1/answer", text=QUESTION).json()
    seen = look(here.platform)
    assert seen.spent_usd == Decimal(answer["cost_usd"]) > 0
    assert seen.spent_usd == here.platform.spending.ledger.spent(today_utc())


def test_what_is_set_aside_for_a_call_in_flight_counts_as_spent(chatting, api):
    here = chatting(AIRFLOW_VAR_RAG_BUDGETS='{"daily_usd": 5}')
    api.control(chat=["word " * 40], word_seconds=0.02)
    with here.client() as client:
        body = {"text": QUESTION, "stream": True}
        with client.stream("POST", "/v1/answer", json=body) as answer:
            next(answer.iter_lines())
            (entry,) = here.platform.spending.ledger.entries(today_utc())
            assert look(here.platform).spent_usd == entry.cost_usd > 0


def test_another_process_without_a_budget_tells_what_was_spent_under_one(chatting, api, serve):
    here = chatting(AIRFLOW_VAR_RAG_BUDGETS='{"daily_usd": 5}')
    here.post("/v1/answer", text=QUESTION)
    seen = look(serve().platform)
    assert (seen.spent_usd, seen.budget_usd) == (look(here.platform).spent_usd, None)


def test_a_scrape_tells_the_last_look_and_takes_none_itself():
    measured = Measured()
    measured.lake.look = replace(EMPTY, quarantined=7)
    for _ in range(2):
        assert b"rag_quarantined_documents 7.0\n" in measured.response().body
    measured.lake.look = None
    assert b"rag_quarantined_documents" not in measured.response().body


def test_a_lake_that_cannot_be_read_is_told_once_each_time_and_its_numbers_are_left_out(caplog):
    gauges, heard = LakeGauges(), []
    lost = LakeError("cut off")
    looks = iter([EMPTY, lost, lost, EMPTY, lost, KeyError("odd"), EMPTY])

    def take():
        heard.append(gauges.look)
        found = next(looks, None)
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise asyncio.CancelledError
        return found

    async def looking() -> None:
        await asyncio.gather(keep_looking(gauges, take, seconds=0), return_exceptions=True)

    asyncio.run(looking())
    assert heard == [None, EMPTY, None, None, EMPTY, None, None, EMPTY]
    assert [record.getMessage() for record in caplog.records] == [
        "The lake cannot be measured (LakeError: cut off): /metrics leaves it out.",
        "The lake cannot be measured (LakeError: cut off): /metrics leaves it out.",
        "The lake cannot be measured (KeyError: 'odd'): /metrics leaves it out.",
    ]
