"""What Prometheus reads: requests, seconds, answers by kind and their cost; and of the lake."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from starlette.responses import Response

from include.retrieval.extractive import EXTRACTIVE
from include.serving.lake_gauges import LakeGauges

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Measured:
    """The numbers of one server, which is one process; a restart begins anew, as Prometheus expects.

    Several servers behind one address are scraped one by one, and summed up there.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "rag_http_requests", "Requests.", ["route", "method", "status"], registry=registry
        )
        self._seconds = Histogram(
            "rag_http_request_seconds", "Until the last byte.", ["route"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._answers = Counter("rag_answers", "Answers by how they came about.", ["mode"], registry=registry)  # fmt: skip
        self._cost = Counter("rag_answer_cost_usd", "What answers cost.", registry=registry)
        self._tokens = Counter("rag_answer_tokens", "Tokens of answers.", ["kind"], registry=registry)  # fmt: skip
        self._abandoned = Counter("rag_streams_abandoned", "Streams whose client left.", registry=registry)  # fmt: skip
        self.waiting = Gauge("rag_work_pending", "Work that is done or waits.", ["pool"], registry=registry)  # fmt: skip
        self.ready = Gauge("rag_ready", "Whether questions can be answered.", registry=registry)
        self.lake = LakeGauges()
        registry.register(self.lake)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request is over."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def answer(self, answer: dict[str, Any]) -> None:
        """An answer was given: `generated`, `cached`, `extractive`, or `rescued` by extracts."""
        self._answers.labels(mode_of(answer)).inc()
        self._cost.inc(float(Decimal(answer["cost_usd"])))
        if not answer["usage"].get("from_cache"):
            for kind in ("input", "output"):
                self._tokens.labels(kind).inc(answer["usage"][f"{kind}_tokens"])

    def abandoned(self) -> None:
        """Somebody left in the middle of an answer."""
        self._abandoned.inc()

    def response(self) -> Response:
        """All of them as text."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)


def mode_of(answer: dict[str, Any]) -> str:
    """How the answer came about."""
    if answer["model"] == EXTRACTIVE:
        return "rescued" if answer["problems"] else "extractive"
    return "cached" if answer["usage"].get("from_cache") else "generated"
