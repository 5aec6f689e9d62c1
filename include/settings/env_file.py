"""The file `.env`: settings for `make` and the command line."""

from __future__ import annotations

import os
from pathlib import Path

from include.errors import ConfigurationError
from include.settings.places import REPOSITORY


def load_env_file() -> None:
    """Takes what the shell does not set from the file that `RAG_ENV_FILE` names.

    By default that is `.env` in the repository, if there is one; set to nothing, none is read.
    Raises ConfigurationError when it names a file that does not exist.
    """
    named = os.environ.get("RAG_ENV_FILE")
    file = Path(named) if named else REPOSITORY / ".env"
    if named == "" or (named is None and not file.is_file()):
        return
    if not file.is_file():
        raise ConfigurationError(f"RAG_ENV_FILE should name a file, {named!r} is none.")
    from dotenv import dotenv_values

    for name, value in dotenv_values(file, interpolate=False).items():
        if value:
            os.environ.setdefault(name, value)
