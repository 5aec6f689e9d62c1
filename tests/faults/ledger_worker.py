"""A worker that calls models until it is killed; imported once, then forked."""

from __future__ import annotations

import random
import time

import genai_prices  # noqa: F401 - so that forked workers need not
import openai  # noqa: F401, TID253 - so that forked workers need not

from include.deployment import EnvironmentDeployment
from include.errors import BudgetError, PlatformError
from include.llm.protocol import ChatRequest, Message
from include.settings import Settings
from include.wiring import Platform


def work(environment: dict[str, str], seed: int) -> None:
    """Calls models until it is killed or a budget stops it."""
    draw = random.Random(seed)
    platform = Platform(Settings.from_environment(environment), EnvironmentDeployment(environment))
    platform.remote._sleep = lambda seconds: time.sleep(min(seconds, 0.02))
    number = 0
    while True:
        number += 1
        words = " ".join(f"w{draw.randrange(1000)}" for _ in range(draw.randrange(1, 9)))
        try:
            if draw.random() < 0.3:
                asked = [Message("user", f"{seed} {number} {words}")]
                platform.chat_model.complete(ChatRequest(asked, max_output_tokens=20))
            else:
                platform.embedder.embed_documents([f"{seed} {number}", words])
        except BudgetError:
            return
        except PlatformError:
            continue
