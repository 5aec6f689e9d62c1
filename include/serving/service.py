"""What requests ask for, done by the platform. Blocking, and safe between threads."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

from include.answering import asking as asking_
from include.answering.asking import Asking
from include.documents import digest
from include.errors import TransientError
from include.indexes import EVERYTHING, Narrowing, of_values, searcher_in
from include.llm.protocol import Heard
from include.observability.log import warn
from include.retrieval.conversation import Turn, recent
from include.retrieval.generative import RESCUED
from include.retrieval.search import Searcher
from include.serving.bodies import Chat, Question, Search
from include.serving.lake_gauges import Look, look
from include.serving.readers import Reader
from include.serving.refusals import Refusal, usage
from include.spending.caller import Caller, acting_as
from include.storage.index_entries import Index, values_of
from include.storage.query_log import Outcome
from include.storage.sessions import Sessions
from include.wiring import Platform

Json = dict[str, Any]
NO_INDEX = "There is no index yet: run `python -m include sync` first."
API = "http-api"


class Service:
    """Searches and answers of one lake. What is live is looked up once for each request."""

    def __init__(self, platform: Platform, sessions: Sessions) -> None:
        self._platform = platform
        self._sessions = sessions
        self._opening = threading.Lock()

    def search(self, asked: Search, reader: Reader) -> Json:
        """As `python -m include search --json`."""
        narrowing = asked.narrowing(reader)
        searcher = self._searcher(self._named(asked.index, narrowing), narrowing)
        began = time.monotonic()
        with acting_as(_caller("search", reader)):
            hits = searcher.search(asked.text, asked.k, mode=asked.mode)
        scores, seconds = [hit.score for hit in hits], time.monotonic() - began
        outcome = Outcome("search", searcher.index, asked.mode, asked.k, scores, seconds)
        self._platform.query_log.note(asked.text, outcome)
        return {"index": searcher.index, "hits": [hit.as_json() for hit in hits]}

    def answer(
        self,
        asked: Question,
        reader: Reader,
        heard: Heard | None = None,
        *,
        turns: Sequence[Turn] = (),
        route: str = "answer",
    ) -> Json:
        """As `python -m include ask --json`; `heard` gets the words as a model writes them."""
        platform, narrowing = self._platform, asked.narrowing(reader)
        searcher = self._searcher(self.index(), narrowing)
        rescued = () if asked.strict else RESCUED
        asking = Asking(asked.k, narrowing, asked.prompt_version, rescued, recent(turns))
        with acting_as(_caller(route, reader)):
            platform.chat_model  # noqa: B018 - what is wrong with it is no fault of the request
            with usage():
                who = asking_.answerer(platform, asking, searcher)
            trace = asking_.ask(platform, who, asked.text, asking, heard=heard)
        scores = [hit.score for hit in trace.hits]
        outcome = Outcome("ask", searcher.index, trace.mode, trace.k, scores, trace.seconds)
        platform.query_log.note(asked.text, outcome)
        return trace.answer.as_json()

    def chat(self, asked: Chat, reader: Reader, heard: Heard | None = None) -> Json:
        """An answer after those of the session; with the name of the session to go on with.

        A session is its key's and its labels' alone: for another key, and for other labels, there
        is none of that name. Raises Refusal for one that there is not, or no longer.
        """
        name = asked.session or str(uuid.uuid4())
        session = digest("session", name, reader.name, *_labels(asked.narrowing(reader)))
        traces = self._sessions.traces(session) if asked.session else []
        if traces is None:
            raise Refusal(
                404,
                "not_found",
                "There is no such session for this key and these labels, or no longer.",
            )
        turns = asking_.turns_of(self._platform, traces)
        answer = self.answer(asked, reader, heard, turns=turns, route="chat")
        try:
            self._sessions.append(session, answer["trace_id"])
        except TransientError as error:  # it is paid for: better without a session than not at all
            warn(str(error))
            told = "The session could not be kept: the next question begins a new one."
            answer = answer | {"problems": [*answer["problems"], told]}
        return answer | {"session": name}

    def index(self, name: str | None = None) -> Index:
        """The live index, or the one named. Raises Refusal when there is none."""
        entries = self._platform.registry.read()
        if name is not None and name not in entries.indexes:
            raise Refusal(404, "not_found", f"There is no index {name!r}.")
        index = entries.indexes[name] if name is not None else entries.in_state("live")
        if index is None:
            raise Refusal(503, "no_index", NO_INDEX, retry_after=60)
        return index

    def _named(self, name: str | None, narrowing: Narrowing) -> Index:
        """The index to search. Raises Refusal for another than the live one, for who reads by labels.

        Only what is live is sure to have today's labels: an index that was live before has those of
        then, and documents that are gone.
        """
        if name is None or narrowing.principals is None:
            return self.index(name)
        live = self.index()
        if name != live.name:
            raise Refusal(
                403,
                "forbidden",
                "Whoever reads by labels may search the live index alone: labels of another one may "
                "be out of date.",
            )
        return live

    def look(self) -> Look:
        """What Prometheus is told of the lake. Raises PlatformError when it cannot be read."""
        return look(self._platform)

    def load(self, index: Index | None) -> None:
        """Loads all that a search of the index needs: not for whoever asks first.

        Without an index, the configured model. Embeds nothing that would be paid.
        """
        self._platform.chat_model  # noqa: B018 - opens it
        if index is not None:
            searcher = self._searcher(index, EVERYTHING)
            paid = (
                of_values(self._platform, values_of(index)).settings.embedding.provider == "openai"
            )
            searcher.search("ready", 1, mode="text" if paid else "hybrid")
        elif self._platform.settings.embedding.provider != "openai":
            self._platform.embedder.embed_query("ready")

    def _searcher(self, index: Index, narrowing: Narrowing) -> Searcher:
        with usage():
            self._platform.scope(narrowing.filter, narrowing.principals)
        with self._opening:
            return searcher_in(self._platform, index, narrowing)


def _caller(route: str, reader: Reader) -> Caller:
    return Caller(dag=API, task=f"{route} {reader.name}")


def _labels(narrowing: Narrowing) -> list[str]:
    labels = narrowing.principals
    return ["everything"] if labels is None else ["as", *sorted(labels)]
