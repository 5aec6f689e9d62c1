"""What a model is sent, and what its completion is recorded with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat request."""

    role: Role
    content: str

    def as_json(self) -> dict[str, str]:
        """The message as chat APIs take it."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A prompt with its values in place: its messages, and which text they were made from.

    `hash` names the template's exact text, `label` the label that led to the version, "" where the
    version itself was asked for.
    """

    name: str
    version: str
    hash: str
    label: str
    system: str
    user: str

    @property
    def messages(self) -> tuple[Message, ...]:
        """The system message, unless it is empty, then the user message."""
        user = Message("user", self.user)
        return (Message("system", self.system), user) if self.system else (user,)

    @property
    def identity(self) -> dict[str, str]:
        """`name`, `version` and `hash`: what an answer, a trace or a ledger row keeps of it."""
        return {"name": self.name, "version": self.version, "hash": self.hash}
