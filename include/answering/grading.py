"""A chat model as judge: is an answer faithful to its passages, does it answer, do the passages help.

The judge is one of the configured chat models and may be the one that answered; how far it can be
trusted is what `agreement` measures, on labelled items.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from include.errors import ConfigurationError, ModelError
from include.llm.protocol import ChatModel, ChatRequest
from include.llm.rendered import chat_messages, named
from include.prompts.library import Prompt
from include.spending.forecast import Estimate
from include.wiring import Platform

Json = dict[str, Any]
Passages = Sequence[Mapping[str, Any]]
FAITHFULNESS, ANSWER_RELEVANCE, CONTEXT_RELEVANCE = (
    "faithfulness", "answer_relevance", "context_relevance",
)  # fmt: skip
METRICS = (FAITHFULNESS, ANSWER_RELEVANCE, CONTEXT_RELEVANCE)
LABELS = Path(__file__).parent.parent / "evaluation" / "golden" / "judge_labels.jsonl"
_TRIES = (1_024, 2_048)
"""As long as a reply may be, and a second one where the first cannot be used."""
_BEST_GRADE = 3


@dataclass(slots=True)
class Judge:
    """Scores from 0 to 1; None where the model's reply could not be used, twice."""

    platform: Platform
    chat: ChatModel
    cost_usd: Decimal = Decimal(0)
    unusable: dict[str, int] = field(default_factory=lambda: dict.fromkeys(METRICS, 0))

    def score(self, metric: str, question: str, answer: str, passages: Passages) -> float | None:
        """The metric's score. A reply that cannot be used is asked for once more."""
        prompt = self.platform.prompts.get(f"judge_{metric}")
        values: Json = {"question": question, "answer": answer, "passages": list(passages)}
        for tokens in _TRIES:  # another request: a cached reply would be as bad
            try:
                completion = self.chat.complete(_request(prompt, values, tokens))
            except ModelError:
                continue
            self.cost_usd += completion.cost_usd
            found = read_score(metric, completion.text)
            if found is not None and completion.finish_reason != "length":
                return found
        self.unusable[metric] += 1
        return None

    def most(self, metric: str, question: str, passages: Passages, *, beside: int) -> Estimate:
        """What one verdict costs at most, asked for twice, with so many tokens beside each time."""
        prompt = self.platform.prompts.find(f"judge_{metric}")
        values: Json = {"question": question, "answer": "", "passages": list(passages)}
        asked = (_request(prompt, values, tokens) for tokens in _TRIES)
        return sum((self.chat.most(each, beside=beside) for each in asked), Estimate())


def _request(prompt: Prompt, values: Json, tokens: int) -> ChatRequest:
    rendered = prompt.render({name: values[name] for name in prompt.version.variables})
    return ChatRequest(
        chat_messages(rendered), named(rendered), max_output_tokens=tokens, operation="judge"
    )


def read_score(metric: str, reply: str) -> float | None:
    """The score of a reply, reckoned from its parts where it has them; models add up badly. Pure."""
    text = reply.strip().removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        said = json.loads(text)
        if metric == FAITHFULNESS and said.get("statements"):
            parts = [each["supported"] for each in said["statements"]]
            return sum(part is True for part in parts) / len(parts)
        if metric == CONTEXT_RELEVANCE and said.get("passages"):
            grades = [float(each["grade"]) for each in said["passages"]]
            score = sum(grades) / len(grades) / _BEST_GRADE
        else:
            score = said["score"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    good = isinstance(score, (int, float)) and not isinstance(score, bool) and 0 <= score <= 1
    return float(score) if good else None


def require_judge(platform: Platform) -> Judge:
    """Raises ConfigurationError without a chat model: sentences of documents judge nothing."""
    chat = platform.chat_model
    if chat is None:
        raise ConfigurationError("A judge is a chat model: set RAG_CHAT_MODEL, it is 'none'.")
    return Judge(platform, chat)


def labelled(file: Path = LABELS) -> list[Json]:
    """The items that people have judged."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def agreement(platform: Platform, file: Path = LABELS) -> Json:
    """How often the judge and the labels say the same, and beyond chance (Cohen's kappa)."""
    judge, items = require_judge(platform), labelled(file)
    found: Json = {}
    for metric in METRICS:
        both = [
            (score >= 0.5, bool(item[metric]))
            for item in items
            if metric in item
            and (score := judge.score(metric, item["question"], item["answer"], item["passages"]))
            is not None
        ]
        found[metric] = {"items": len(both), **_agreement(both)}
    return {
        "agreement": found,
        "labels": str(file),
        "judge": judge.chat.name,
        "unusable": judge.unusable,
        "judge_usd": f"{judge.cost_usd:f}",
    }


def _agreement(both: Sequence[tuple[bool, bool]]) -> dict[str, float | None]:
    """Share of equal verdicts, and kappa; None where either says the same of everything."""
    if not both:
        return {"agree": None, "kappa": None}
    agree = sum(ours == theirs for ours, theirs in both) / len(both)
    ours, theirs = (sum(each[side] for each in both) / len(both) for side in (0, 1))
    chance = ours * theirs + (1 - ours) * (1 - theirs)
    kappa = None if chance == 1 else round((agree - chance) / (1 - chance), 4)
    return {"agree": round(agree, 4), "kappa": kappa}
