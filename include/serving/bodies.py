"""What requests hold: the options of the command line, under its names, within limits."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from include.indexes import Narrowing
from include.retrieval.conversation import Turn
from include.serving.readers import Reader
from include.serving.refusals import Refusal

LONGEST_TEXT = 10_000
MODEL = "rag"
Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_TEXT)
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
# Longer than a body can be: a text with a bound is checked to be Unicode, half a character is none.
Said = Annotated[str, StringConstraints(max_length=1_000_000)]


class Narrowed(BaseModel):
    """What every question can be narrowed to."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    filter: str | None = Field(
        None, max_length=LONGEST_TEXT, description="Only chunks of which it is true.",
        examples=["lang = 'en' and year >= 2024"],
    )  # fmt: skip
    principals: list[str] | None = Field(
        None, alias="as", max_length=1_000,
        description="Read as somebody with these access labels, which the key must have.",
    )  # fmt: skip
    dedupe: bool | None = Field(None, description="Keep one document of each near-duplicate group.")

    def narrowing(self, reader: Reader) -> Narrowing:
        """Never wider than the reader's own labels. Raises Refusal for labels that it lacks."""
        return Narrowing(self.filter, reader.principals(self.principals), self.dedupe)


class Search(Narrowed):
    """A search."""

    text: Text = Field(description="What to search for.")
    k: int = Field(10, ge=1, le=1_000, description="How many hits.")
    mode: Literal["hybrid", "vector", "text"] = "hybrid"
    index: Name | None = Field(None, description="Another index than the live one.")


class Question(Narrowed):
    """A question to be answered."""

    text: Text = Field(description="The question.")
    k: int = Field(10, ge=1, le=100, description="How many chunks to read.")
    prompt_version: Name | None = Field(
        None, description="A version, a label or latest of the prompt; default: production."
    )
    strict: bool = Field(
        False, description="An error when the chat model gives no answer, instead of extracts."
    )
    stream: bool = Field(False, description="Server-sent events; so does Accept.")


class Chat(Question):
    """A question in a conversation."""

    session: Name | None = Field(None, description="Of an earlier answer; without it, a new one.")


class Part(BaseModel):
    """A part of a message."""

    type: str
    text: Said = ""


class ChatMessage(BaseModel):
    """A message as OpenAI's clients send it."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Said | list[Part] | None = None

    @property
    def text(self) -> str:
        """Its words. Raises Refusal for a part that is not text."""
        if not isinstance(self.content, list):
            return self.content or ""
        for part in self.content:
            if part.type != "text":
                raise Refusal(
                    400, "invalid_request", f"A message should hold text, has a part {part.type!r}."
                )
        return "\n".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """What else a stream brings."""

    include_usage: bool = False


_KINDS: dict[str, tuple[Any, ...]] = {
    "stop": (),
    "tools": (),
    "functions": (),
    "response_format": ({"type": "text"},),
    "logprobs": (),
    "modalities": (["text"],),
}
"""Parameters of another kind of answer, with what may be said of each."""


class Completions(Narrowed):
    """A request of OpenAI's chat completions; `filter`, `as`, `dedupe`, `k` are ours.

    Parameters of the model (temperature, max_tokens and the like) are accepted and change nothing:
    what the model is asked is the deployment's versioned prompt. What would make another kind of
    answer (n, stop, tools, functions, response_format, logprobs, modalities) is refused.
    """

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    model: str = Field(examples=[MODEL])
    messages: list[ChatMessage] = Field(min_length=1, max_length=1_000)
    k: int = Field(10, ge=1, le=100)
    n: Literal[1] | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None

    def question(self) -> Question:
        """The last message. Raises Refusal for no question of a user, and for another kind of answer."""
        self._refuse_other_kinds()
        last = self.messages[-1]
        text = last.text.strip()
        if last.role != "user" or not 0 < len(text) <= LONGEST_TEXT:
            raise Refusal(
                400,
                "invalid_request",
                f"The last message should be the user's, with 1 to {LONGEST_TEXT:,} characters; it "
                f"is the {last.role}'s, with {len(text):,}.",
            )
        told: dict[str, Any] = {"filter": self.filter, "as": self.principals, "k": self.k}
        return Question(text=text, dedupe=self.dedupe, **told)

    def _refuse_other_kinds(self) -> None:
        """Nobody should wait in vain; what says what happens anyway is let through."""
        for name, value in (self.model_extra or {}).items():
            if name in _KINDS and value and value not in _KINDS[name]:
                raise Refusal(
                    400,
                    "invalid_request",
                    f"{name} should be left out, is {value!r:.80}: an answer is one text, with its "
                    f"sources.",
                )

    def turns(self) -> list[Turn]:
        """What users and assistants said before, in pairs; system messages instruct nobody here."""
        turns: list[Turn] = []
        for message in self.messages[:-1]:
            if message.role == "user":
                turns.append(Turn(message.text, ""))
            elif message.role == "assistant" and turns:
                turns[-1] = Turn(turns[-1].question, turns[-1].answer + message.text)
        return turns
