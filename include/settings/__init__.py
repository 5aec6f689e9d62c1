"""Frozen, typed settings: the only reader of the environment.

Every `RAG_*` variable is read here, once, and documented in `.env.example`. A wrong value fails
at start with its name, the value and what is allowed; a misspelt name fails too.
"""

from include.settings.api import ApiKey, ApiSettings
from include.settings.budgets import Budgets
from include.settings.env_file import load_env_file
from include.settings.indexing import STRATEGIES, VectorForm
from include.settings.places import REPOSITORY
from include.settings.screening import SENSITIVE_KINDS, ScreeningSettings
from include.settings.settings import Settings
from include.settings.watching import EmbedWorkers, WatchSettings

__all__ = [
    "REPOSITORY",
    "SENSITIVE_KINDS",
    "STRATEGIES",
    "ApiKey",
    "ApiSettings",
    "Budgets",
    "EmbedWorkers",
    "ScreeningSettings",
    "Settings",
    "VectorForm",
    "WatchSettings",
    "load_env_file",
]
