"""Which names of a source are documents, which are sidecars, and which are litter."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pathspec import GitIgnoreSpec

from include.errors import ConfigurationError
from include.storage.source import SIDECAR

# Hidden, being edited, being downloaded, or an operating system's litter: never documents.
_LITTER_STARTS = (".", "~$")
_LITTER_ENDS = ("~", ".swp", ".swo", ".tmp", ".part", ".partial", ".crdownload")
_LITTER = frozenset({"Thumbs.db", "desktop.ini"})


class Selection:
    """The patterns of `RAG_SOURCE_INCLUDE` and `RAG_SOURCE_EXCLUDE`, as in `.gitignore`."""

    def __init__(self, include: Sequence[str] = ("**",), exclude: Sequence[str] = ()) -> None:
        self._include = None if tuple(include) == ("**",) else _patterns("INCLUDE", include)
        self._exclude = _patterns("EXCLUDE", exclude) if exclude else None

    def selects(self, relative: str) -> bool:
        """Whether the file of this path is wanted."""
        if self._include and not self._include.match_file(relative):
            return False
        return not self.excludes(relative)

    def excludes(self, relative: str) -> bool:
        """Whether the file, or the folder if it ends with a slash, is left out."""
        return bool(self._exclude and self._exclude.match_file(relative))


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is never looked at."""
    return name.startswith(_LITTER_STARTS) or name.endswith(_LITTER_ENDS) or name in _LITTER


def sidecar_names(name: str) -> tuple[str, str]:
    """Where a document's metadata may lie: `guide.md.meta.json` before `guide.meta.json`."""
    return name + SIDECAR, stem(name) + SIDECAR


def stem(name: str) -> str:
    """The name without its last extension."""
    return os.path.splitext(name)[0]


def _patterns(name: str, globs: Sequence[str]) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(globs)
    except ValueError as error:
        raise ConfigurationError(
            f"RAG_SOURCE_{name} should hold patterns as in .gitignore, is {' '.join(globs)!r}: "
            f"{error}"
        ) from error
