"""The account of a platform: its lake's ledger, the configured prices, budgets and rate limits."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from include.deployment import Deployment
from include.settings import Settings
from include.spending.account import Account
from include.spending.budget import Budget
from include.spending.caller import Caller, acting
from include.spending.ledger import Ledger
from include.spending.limiter import Limiter, Rates, moving_windows
from include.spending.prices import VARIABLE, Prices
from include.storage.objects import ObjectStore


def open_account(
    settings: Settings, deployment: Deployment, objects: ObjectStore, caller: Callable[[], Caller]
) -> Account:
    """Reads the prices; connects to nothing. Raises ConfigurationError for wrong prices."""
    ledger = Ledger(objects)
    rates = Rates(settings.llm.requests_per_minute, settings.llm.tokens_per_minute)
    return Account(
        ledger=ledger,
        prices=Prices.parse(deployment.variable(VARIABLE)),
        budget=Budget(objects, ledger, settings.budgets),
        limiter=Limiter(rates, lambda: moving_windows(settings.redis_url, windows_folder())),
        caller=lambda: acting() or caller(),
    )


def windows_folder() -> Path:
    """Where this machine's processes share their rate limits: gone with a restart, as they are."""
    return Path(tempfile.gettempdir()) / f"rag-rate-limits-{os.getuid()}"
