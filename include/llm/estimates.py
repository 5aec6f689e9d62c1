"""What requests to chat models will cost at most, before any is made."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from include.llm.opening import counter
from include.llm.protocol import ChatRequest
from include.remote.attempts import Remote
from include.spending.prices import Tokens

_MESSAGE_TOKENS = 8
"""As much as `include.llm.openai_chat` counts for what surrounds a message."""


def estimate(models: str, remote: Remote, requests: Sequence[ChatRequest]) -> tuple[int, Decimal]:
    """Tokens and US dollars, as if the dearest of these models used all that it may.

    `models` are written as in RAG_CHAT_MODEL. Raises ConfigurationError for one without a price.
    """
    found = [
        _of_model(name.removeprefix("openai:"), remote, requests) for name in models.split(",")
    ]
    return max(found, key=lambda each: each[1])


def _of_model(name: str, remote: Remote, requests: Sequence[ChatRequest]) -> tuple[int, Decimal]:
    count, account = counter(name, remote), remote.account
    asked = sum(
        count(message.content) + _MESSAGE_TOKENS for each in requests for message in each.messages
    )
    said = sum(each.max_output_tokens for each in requests)
    cost = account.prices.cost(remote.endpoint.provider, name, Tokens(asked, said), account.clock())
    return asked + said, cost
