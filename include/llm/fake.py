"""A chat model without a model: it answers what it was told to, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from include.errors import TransientError
from include.llm.protocol import ChatRequest, Completion, Heard
from include.spending.forecast import Estimate


class ScriptedChat:
    """Gives the answers in order, the last one for ever; an exception among them is raised."""

    def __init__(self, answers: Sequence[str | Exception]) -> None:
        self._answers = list(answers)
        self.requests: list[ChatRequest] = []

    @property
    def name(self) -> str:
        """It is called `fake`."""
        return "fake"

    def most(self, request: ChatRequest, *, beside: int = 0) -> Estimate:
        """One call of as many words, and free."""
        asked = sum(len(each.content.split()) for each in request.messages)
        return Estimate(1, asked + beside, request.max_output_tokens)

    def complete(self, request: ChatRequest, *, heard: Heard | None = None) -> Completion:
        """The next answer; its tokens are words, and free, and its pieces are lines."""
        self.requests.append(request)
        if not self._answers:
            raise TransientError("The scripted model was given no answers.")
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        if heard:
            for piece in answer.splitlines(keepends=True):
                heard(piece)
        asked = sum(len(each.content.split()) for each in request.messages)
        return Completion(answer, "fake", "stop", asked, len(answer.split()), Decimal(0))
