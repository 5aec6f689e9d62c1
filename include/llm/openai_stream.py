"""A chat completion heard piece by piece: what is collected is what a whole answer would be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from include.errors import ModelError
from include.llm.protocol import Heard
from include.spending.account import CallError

if TYPE_CHECKING:
    import openai


class Hearing:
    """Passes pieces on and remembers whether there were any."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """What was passed on so far."""
        return "".join(self._pieces)

    def take(self, piece: str) -> None:
        """The next piece."""
        if piece:
            self._pieces.append(piece)
            self._heard(piece)

    @contextmanager
    def unrepeatable(self, broken: ModelError) -> Iterator[None]:
        """Raises `broken` for a call that fails after a piece was heard: it cannot be unsaid."""
        try:
            yield
        except CallError as failure:
            if not self._pieces:
                raise
            raise CallError(broken, f"{failure.kind} in the middle", sent=True) from None


def listen(
    client: openai.OpenAI, headers: Mapping[str, str], body: Mapping[str, Any], hearing: Hearing
) -> Any:
    """The whole answer, in the form of one that was not streamed, after its last piece.

    A stream that ends without saying why has broken off: APIConnectionError, as for one that the
    network cut.
    """
    import openai

    usage = reason = None
    model = ""
    with client.chat.completions.create(
        **body, extra_headers=headers, stream=True, stream_options={"include_usage": True}
    ) as stream:
        for event in stream:
            usage = getattr(event, "usage", None) or usage
            model = getattr(event, "model", None) or model
            for choice in getattr(event, "choices", None) or ():
                hearing.take(_piece(choice))
                reason = getattr(choice, "finish_reason", None) or reason
        if reason is None:
            raise openai.APIConnectionError(request=stream.response.request)
    message = SimpleNamespace(content=hearing.text)
    whole = SimpleNamespace(message=message, finish_reason=reason)
    return SimpleNamespace(choices=[whole], usage=usage, model=model)


def _piece(choice: Any) -> str:
    content = getattr(getattr(choice, "delta", None), "content", None)
    return content if isinstance(content, str) else ""
