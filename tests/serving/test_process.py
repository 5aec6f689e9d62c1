"""Where the API listens, who it lets wait, and what it says about itself."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from contextlib import nullcontext

import httpx
import pytest

from include.errors import ConfigurationError, LakeError, ModelError, TransientError
from include.llm.protocol import Heard
from include.serving.doors import Observed, bounded_body
from include.serving.measured import Measured
from include.serving.rates import rate_limit
from include.serving.refusals import Refusal, refusal_of
from include.serving.routes import Api, _events
from include.serving.server import _listening, refuse_open
from include.serving.streams import Telling, event
from include.serving.workers import WAITING_EACH, Workers
from include.settings import REPOSITORY, Settings
from tests.standin.redis_server import redis_server


def settings(keys: str = ""):
    return Settings.from_environment({"RAG_API_KEYS": keys}).api


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_without_keys_loopback_is_open(host):
    refuse_open(host, settings())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_without_keys_another_address_is_refused_and_with_keys_it_is_not(host):
    with pytest.raises(ConfigurationError, match=r"loopback only.*set RAG_API_KEYS"):
        refuse_open(host, settings())
    refuse_open(host, settings("a-key-0123456789"))


def test_a_port_that_is_taken_is_told_with_its_number():
    with _listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"127.0.0.1:{port}.*another --port"):
            _listening("127.0.0.1", port)


def test_the_program_refuses_an_open_address_with_one_sentence(environment):
    done = subprocess.run(
        [sys.executable, "-m", "include", "serve", "--host", "0.0.0.0", "--port", "0"],
        env=os.environ | environment, cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("ConfigurationError: Without RAG_API_KEYS")
    assert len(done.stderr.splitlines()) == 1


def test_work_beyond_what_may_wait_is_told_to_come_again():
    workers, go = Workers("test", 1, 10), threading.Event()

    async def crowd() -> list[object]:
        work = [asyncio.ensure_future(workers.run(go.wait)) for _ in range(WAITING_EACH + 2)]
        await asyncio.sleep(0.05)
        go.set()
        return await asyncio.gather(*work, return_exceptions=True)

    found = asyncio.run(crowd())
    workers.close()
    refused = [each for each in found if isinstance(each, Refusal)]
    assert [(each.status_code, each.kind) for each in refused] == [(503, "busy")]
    assert workers.pending == 0


def test_what_nobody_foresaw_is_named_in_the_answer_and_in_the_log(caplog):
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret")

    async def ask() -> httpx.Response:
        here = httpx.ASGITransport(Observed(broken, Measured(), frozenset()), False)
        async with httpx.AsyncClient(transport=here, base_url="http://x") as client:
            return await client.get("/")

    with caplog.at_level("INFO", "rag"):
        answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "internal")
    assert "secret" not in answer.text
    assert f"request={answer.headers['x-request-id']}" in caplog.text


def test_what_nobody_foresaw_in_a_stream_is_told_before_it_ends():
    def act(heard: Heard) -> dict[str, object]:
        heard("a")
        raise ZeroDivisionError("a secret")

    told: list[bytes] = []

    async def listen(api: Api) -> None:
        telling = Telling(api.answers, act)
        await telling.begin()
        async for each in _events(api, telling):
            told.append(each)

    workers = Workers("test", 1, 10)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(listen(Api(None, workers, workers)))  # type: ignore[arg-type]
    workers.close()
    assert b'"internal"' in told[-1]
    assert b"secret" not in told[-1]


@pytest.mark.parametrize(
    "error",
    [TransientError, ModelError, LakeError, ConfigurationError],
    ids=lambda kind: kind.__name__,
)
def test_places_and_accounts_are_told_to_the_log_alone(error, caplog):
    told = refusal_of(error("s3://bucket at 10.0.0.7 answers org-1234"))
    assert told.status_code == 503
    assert "bucket" not in told.detail
    assert "org-1234" in caplog.text


def test_a_body_that_does_not_come_is_not_waited_for():
    async def never() -> dict[str, object]:
        return await asyncio.get_running_loop().create_future()

    async def read() -> None:
        await bounded_body(never, 0.05)()

    with pytest.raises(Refusal, match=r"within 0\.05 s") as told:
        asyncio.run(read())
    assert told.value.status_code == 408


def test_a_silence_in_an_answer_is_told_so_that_nobody_hangs_up():
    def act(heard: Heard) -> dict[str, object]:
        heard("a")
        time.sleep(0.2)
        heard("b")
        return {"done": True}

    async def listen() -> tuple[list[str | None], dict[str, object]]:
        telling = Telling(workers, act, silence=0.05)
        await telling.begin()
        return [piece async for piece in telling.pieces()], await telling.result()

    workers = Workers("test", 1, 10)
    pieces, result = asyncio.run(listen())
    workers.close()
    assert [piece for piece in pieces if piece] == ["a", "b"]
    assert None in pieces[1:-1]
    assert result == {"done": True}


def test_work_whose_time_is_over_goes_on_if_it_has_begun_and_is_dropped_if_not():
    workers, done = Workers("test", 1, 0.1), []

    def act(name: str) -> None:
        time.sleep(0.3)
        done.append(name)

    async def both() -> list[object]:
        work = [workers.run(lambda name=name: act(name)) for name in ("begun", "waiting")]
        return await asyncio.gather(*work, return_exceptions=True)

    assert [each.status_code for each in asyncio.run(both())] == [504, 504]
    workers.close()
    assert done == ["begun"]


@pytest.mark.parametrize(
    "text", ["a\nb", "a\u2028b", "a\x85b\x1cc", "\r\n\r\ndata: x", "é\U0001f600"]
)
def test_whatever_a_text_holds_an_event_is_one_line(text):
    lines = event({"text": text}, "delta").decode().split("\n")
    assert lines[0] == "event: delta"
    assert json.loads(lines[1].removeprefix("data: ")) == {"text": text}
    assert lines[2:] == ["", ""]


@pytest.mark.parametrize("shared", [False, True])
def test_requests_of_a_minute_are_counted_by_key(shared, tmp_path):
    with redis_server(tmp_path) if shared else nullcontext() as url:
        limit, reader = rate_limit(2, url), f"{uuid.uuid4()}"
        assert [limit(reader), limit(reader), limit("another" + reader)] == [None, None, None]
        assert 1 <= limit(reader) <= 60


def test_requests_that_cannot_be_counted_are_let_in_and_told(caplog):
    limit = rate_limit(1, "redis://127.0.0.1:1/0")
    assert [limit("reader") for _ in range(3)] == [None, None, None]
    assert "cannot be counted" in caplog.text
    assert rate_limit(0, None) is None
