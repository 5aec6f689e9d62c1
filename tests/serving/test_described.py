"""The OpenAPI document says what is true of every answer: each status, each field, each type."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema
import pytest

from tests.serving.running import Served

KEY = "some-key-0123456789"
QUESTION = "What retries failing calls?"
SAYING = {"messages": [{"role": "user", "content": QUESTION}]}


@pytest.fixture
def here(chatting) -> Served:
    return chatting(RAG_API_KEYS=f"{KEY}|*")


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        ("/healthz", None, 200),
        ("/readyz", None, 200),
        ("/v1/search", {"text": QUESTION}, 200),
        ("/v1/search", {"text": ""}, 400),
        ("/v1/search", {"text": "x", "as": ["staff"], "index": "nowhere"}, 403),
        ("/v1/search", {"text": "x", "index": "nowhere"}, 404),
        ("/v1/answer", {"text": QUESTION}, 200),
        ("/v1/answer", {"text": "x" * 1_000_000}, 413),
        ("/v1/chat", {"text": QUESTION}, 200),
        ("/v1/chat", {"text": QUESTION, "session": "nobody's"}, 404),
        ("/v1/models", None, 200),
        ("/v1/models/{name}", None, 404),
        ("/v1/chat/completions", {"model": "rag"} | SAYING, 200),
        ("/v1/chat/completions", {"model": "gpt-4"} | SAYING, 404),
        ("/v1/chat/completions", {"model": "rag", "tools": [1]} | SAYING, 400),
    ],
)
def test_an_answer_is_as_the_document_says(here, route, body, status):
    with here.client(KEY) as client:
        document = client.get("/openapi.json").json()
        answer = client.request("POST" if body else "GET", route, json=body)
    assert answer.status_code == status
    _require_described(document, route, answer)


@pytest.mark.parametrize("route", ["/metrics", "/v1/models", "/v1/search"])
def test_a_request_without_a_key_is_refused_as_the_document_says(here, route):
    with here.client() as client:
        document = client.get("/openapi.json").json()
        answer = client.request("POST" if route == "/v1/search" else "GET", route)
    assert answer.status_code == 401
    _require_described(document, route, answer)


def test_the_document_names_no_status_that_does_not_occur_and_the_page_all_that_do(here):
    with here.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
        page = client.get("/docs").text
    known = {"200", "400", "401", "403", "404", "413", "429", "503", "504", "default"}
    told = {
        status for path in paths.values() for each in path.values() for status in each["responses"]
    }
    assert told == known
    assert all(f"<code>{status}</code> " in page for status in known - {"200", "default"})
    assert "<code>citations</code> (list of Citation)" in page


def _require_described(document: dict[str, Any], route: str, answer: httpx.Response) -> None:
    method = answer.request.method.lower()
    described = document["paths"][route][method]["responses"][str(answer.status_code)]
    schema = described["content"][answer.headers["content-type"].partition(";")[0]]["schema"]
    jsonschema.validate(answer.json(), {**_closed(document), **_closed(schema)})


def _closed(schema: Any) -> Any:
    """The schema, with no field allowed in an object that it does not name."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(each) for name, each in schema.items()}
    return closed | {"additionalProperties": False} if "properties" in schema else closed
