"""What answering the questions of a planned run costs at most."""

from __future__ import annotations

from typing import Any

from include.answering.asking import PROMPT, Asking, subject_of
from include.indexes import of_index
from include.llm.protocol import ChatModel, ChatRequest
from include.llm.rendered import chat_messages, named
from include.retrieval.generative import MOST_CHARACTERS, OUTPUT_TOKENS
from include.spending.approval import ANSWERING
from include.spending.forecast import Estimate, Forecast
from include.storage.artifacts import Artifacts
from include.wiring import Platform

_CHUNK_TOKENS = 2
"""Tokens of the chat model for one of the embedder's, which chunks are measured by; more than any
pair of tokenizers that is in use takes."""
_NO_PASSAGE: dict[str, Any] = {"number": 1, "title": "", "text": ""}


def forecast(platform: Platform, artifacts: Artifacts, asking: Asking) -> Forecast | None:
    """Counts the prompts that the run's questions make; searches nothing and asks no model.

    Passages are counted as the largest that `k` chunks of the index's size can be. None without a
    chat model: extracts cost no completion.
    """
    chat = platform.chat_model
    if chat is None:
        return None
    questions = artifacts.read(artifacts.list("missing"))["question"].to_list()
    passages = _passage_tokens(platform, asking.k)
    most = Estimate()
    for question in questions:
        most += _most(platform, chat, question, asking, passages)
    return Forecast(ANSWERING, chat.name, len(questions), most)


def _most(
    platform: Platform, chat: ChatModel, question: str, asking: Asking, passages: int
) -> Estimate:
    prompt = platform.prompts.find(PROMPT, asking.prompt, subject=subject_of(question))
    rendered = prompt.render({"question": question, "passages": [_NO_PASSAGE] * asking.k})
    request = ChatRequest(chat_messages(rendered), named(rendered), max_output_tokens=OUTPUT_TOKENS)
    return chat.most(request, beside=passages)


def _passage_tokens(platform: Platform, k: int) -> int:
    """What `k` chunks, or as much of their context as is read, take at most."""
    chunking = of_index(platform).settings.chunking
    each = chunking.parent_tokens if "parent" in chunking.strategies else chunking.tokens
    return min(MOST_CHARACTERS, _CHUNK_TOKENS * k * each)
