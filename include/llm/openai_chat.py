"""Chat completions of an OpenAI-compatible API, each in the ledger, identical ones asked once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from include.documents import digest
from include.errors import ModelError
from include.llm.openai_stream import Hearing, listen
from include.llm.protocol import ChatRequest, Completion, Heard
from include.llm.responses import Responses
from include.remote.attempts import Remote
from include.spending.account import Answered
from include.spending.entries import Purpose
from include.spending.forecast import Estimate
from include.spending.prices import Tokens

_MESSAGE_TOKENS = 8
"""More than what surrounds each message in any known model's format."""


@dataclass(frozen=True, slots=True)
class _Said:
    text: str
    finish_reason: str


class OpenAIChat:
    """One model. `count` counts its tokens, for budgets and for answers without usage.

    With `responses` and seconds to keep them, an identical request is answered from there. Making
    one raises ConfigurationError for a model without a price.
    """

    def __init__(
        self,
        model: str,
        remote: Remote,
        count: Callable[[str], int],
        *,
        responses: Responses | None = None,
        keep_seconds: int = 0,
    ) -> None:
        account = remote.account
        account.prices.require(remote.endpoint.provider, model, account.clock())
        self._model = model
        self._remote = remote
        self._count = count
        self._responses = responses if keep_seconds else None
        self._keep_seconds = keep_seconds

    @property
    def name(self) -> str:
        """`openai:<model>`."""
        return f"openai:{self._model}"

    def known(self, request: ChatRequest) -> Completion | None:
        """The stored answer to the identical request, if there is one; it is in the ledger."""
        held = (self._responses.get(self._key(request)) if self._responses else None) or {}
        try:
            text = str(held["text"])
            tokens = Tokens(int(held["input_tokens"]), int(held["output_tokens"]))
        except (KeyError, TypeError, ValueError):  # there is none, or it is damaged
            return None
        self._remote.account.record_hit(self._purpose(request), tokens)
        return Completion(
            text, self.name, "stop", tokens.input, tokens.output, Decimal(0), cached=True
        )

    def complete(
        self, request: ChatRequest, *, tries: int | None = None, heard: Heard | None = None
    ) -> Completion:
        """The answer: a stored one, or the model's."""
        stored = None if request.fresh else self.known(request)
        if stored:
            if heard:
                heard(stored.text)
            return stored
        paid = self._remote.call(
            self._purpose(request),
            Tokens(self._asked(request), request.max_output_tokens),
            lambda call_id: self._send(call_id, request, heard),
            tries=tries,
        )
        entry, said = paid.entry, paid.value
        if self._responses and said.finish_reason == "stop":
            held = {
                "text": said.text,
                "input_tokens": entry.tokens.input,
                "output_tokens": entry.tokens.output,
            }
            self._responses.put(self._key(request), held, self._keep_seconds)
        return Completion(
            said.text, self.name, said.finish_reason, entry.tokens.input, entry.tokens.output,
            entry.cost_usd,
        )  # fmt: skip

    def most(self, request: ChatRequest, *, beside: int = 0) -> Estimate:
        """What asking this costs at most, at the price of now; stored answers are not looked for."""
        tokens = Tokens(self._asked(request) + beside, request.max_output_tokens)
        account, provider = self._remote.account, self._remote.endpoint.provider
        cost = account.prices.cost(provider, self._model, tokens, account.clock())
        return Estimate(1, tokens.input, tokens.output, cost)

    def _asked(self, request: ChatRequest) -> int:
        asked = sum(self._count(each.content) + _MESSAGE_TOKENS for each in request.messages)
        return asked + (self._count(json.dumps(request.schema)) if request.schema else 0)

    def _send(self, call_id: str, request: ChatRequest, heard: Heard | None) -> Answered[_Said]:
        limit = self._remote.endpoint.options.get("max_tokens_parameter", "max_completion_tokens")
        body: dict[str, Any] = {str(limit): request.max_output_tokens}
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.schema is not None:
            schema = {"name": "answer", "strict": True, "schema": dict(request.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        messages: Any = [{"role": each.role, "content": each.content} for each in request.messages]
        body |= {"model": self._model, "messages": messages}
        send = self._remote.client.send
        if heard is None:
            return self._read(
                send(
                    call_id,
                    lambda client, headers: client.chat.completions.create(
                        extra_headers=headers, **body
                    ),
                )
            )
        hearing = Hearing(heard)
        with hearing.unrepeatable(self._unusable("broke off in the middle of its answer")):
            answer = send(call_id, lambda client, headers: listen(client, headers, body, hearing))
        return self._read(answer)

    def _read(self, answer: Any) -> Answered[_Said]:
        tokens, model = _usage(answer), str(getattr(answer, "model", "") or "")
        try:
            choice = answer.choices[0]
            said = _Said(choice.message.content or "", choice.finish_reason or "stop")
        except (AttributeError, IndexError, TypeError):
            wrong = self._unusable("sent something else than a completion")
            return Answered(_Said("", ""), tokens, model, wrong)
        wrong_answer: ModelError | None = None
        if said.finish_reason == "content_filter":
            wrong_answer = self._unusable("withheld the answer (content_filter)")
        elif not said.text.strip():
            wrong_answer = self._unusable(f"answered nothing (finish_reason {said.finish_reason})")
        return Answered(said, tokens, model, wrong_answer)

    def _unusable(self, what: str) -> ModelError:
        where = self._remote.endpoint.name
        return ModelError(f"The model {self._model!r} at {where} {what}.")

    def _key(self, request: ChatRequest) -> str:
        prompt = request.prompt
        parameters = [request.max_output_tokens, request.temperature, request.schema]
        return digest(
            "response",
            self._remote.endpoint.base_url,
            self._model,
            f"{prompt.name} {prompt.version} {prompt.hash}" if prompt else "",
            json.dumps(parameters, sort_keys=True),
            _content(request),
        )

    def _purpose(self, request: ChatRequest) -> Purpose:
        prompt = request.prompt
        return Purpose(
            operation=request.operation,
            provider=self._remote.endpoint.provider,
            model=self._model,
            endpoint=self._remote.endpoint.name,
            content=_content(request),
            prompt=prompt.name if prompt else "",
            prompt_version=prompt.version if prompt else "",
            prompt_hash=prompt.hash if prompt else "",
            document=request.document,
            trace=request.trace,
        )


def _content(request: ChatRequest) -> str:
    parts = [part for each in request.messages for part in (each.role, each.content)]
    return digest("messages", *parts)


def _usage(answer: Any) -> Tokens | None:
    usage = getattr(answer, "usage", None)
    asked, said = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
    if not isinstance(asked, int) or not isinstance(said, int) or asked < 0 or said < 0:
        return None
    details = getattr(usage, "prompt_tokens_details", None)
    cached = getattr(details, "cached_tokens", None)
    told = cached if isinstance(cached, int) else 0
    return Tokens(asked, said, min(max(told, 0), asked))
