"""A rendered prompt as what a chat model is asked, and as what the ledger keeps of it."""

from __future__ import annotations

from include.llm.protocol import Message, Prompt
from include.prompts import RenderedPrompt


def chat_messages(rendered: RenderedPrompt) -> tuple[Message, ...]:
    """The messages to send."""
    return tuple(Message(each.role, each.content) for each in rendered.messages)


def named(rendered: RenderedPrompt) -> Prompt:
    """Which template they were made from."""
    return Prompt(rendered.name, rendered.version, rendered.hash)
