"""What answering questions costs at most, and judging the answers of versions of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from include.answering.asking import PROMPT, Asking, subject_of
from include.answering.grading import METRICS, labelled, require_judge
from include.indexes import of_index
from include.llm.protocol import ChatModel, ChatRequest
from include.llm.rendered import chat_messages, named
from include.retrieval.generative import MOST_CHARACTERS, OUTPUT_TOKENS
from include.spending.approval import ANSWERING, JUDGING
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


def forecast_versions(
    platform: Platform, questions: Sequence[str], versions: Sequence[str | None], *, k: int = 10
) -> Forecast:
    """What it costs at most to answer the questions with each version and to judge the answers.

    Every verdict is counted as if it had to be asked for twice. Raises ConfigurationError without a
    chat model, and for a version that there is not.
    """
    judge, most = require_judge(platform), Estimate()
    passages = _passage_tokens(platform, k)
    for version in versions:
        for question in questions:
            most += _most(platform, judge.chat, question, Asking(k, prompt=version), passages)
            for metric in METRICS:
                shown, beside = [_NO_PASSAGE] * k, passages + OUTPUT_TOKENS
                most += judge.most(metric, question, shown, beside=beside)
    return Forecast(JUDGING, judge.chat.name, len(questions) * len(versions), most)


def forecast_agreement(platform: Platform) -> Forecast:
    """What it costs at most to let the judge judge what people have labelled."""
    judge, most, items = require_judge(platform), Estimate(), labelled()
    asked = [(item, metric) for item in items for metric in METRICS if metric in item]
    for item, metric in asked:
        most += judge.most(metric, item["question"], item["passages"], beside=OUTPUT_TOKENS)
    return Forecast(JUDGING, judge.chat.name, len(asked), most)


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
