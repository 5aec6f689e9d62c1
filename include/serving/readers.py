"""Who sends a request, and as whom it may read.

A key may read as the labels that stand behind it, and a request can only narrow that: one that
claims another label is refused, one that claims none reads as all of them. So a label that was
forgotten in a request opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from include.metadata.labels import access_labels
from include.serving.refusals import Refusal, usage
from include.settings import ApiKey


@dataclass(frozen=True, slots=True)
class Reader:
    """`name` tells keys apart in logs and in the ledger without being one. `labels` None is all."""

    name: str
    labels: tuple[str, ...] | None

    def principals(self, claimed: Sequence[str] | None) -> list[str] | None:
        """The labels to search with; None sees everything.

        Raises Refusal for a label that is none, and for one that the key does not have.
        """
        with usage():
            wanted = None if claimed is None else access_labels(list(claimed))
        if self.labels is None:
            return wanted
        if wanted is None:
            return list(self.labels)
        if foreign := sorted(set(wanted) - set(self.labels)):
            raise Refusal(403, "forbidden", f"This key may not read as {foreign[0]!r}.")
        return wanted


MONITOR = Reader("metrics", ())
"""Who has RAG_METRICS_KEY: it opens /metrics, and nothing else."""
EVERYBODY = Reader("local", None)
"""Whoever reaches an API without keys: a process of this machine, where the lake lies open anyway."""


class Keyring:
    """The configured keys; without any of readers, whoever asks is trusted like the command line."""

    def __init__(self, keys: Sequence[ApiKey], metrics_key: str = "") -> None:
        self._known = [(_hash(key.secret), Reader(_name(key.secret), key.labels)) for key in keys]
        if self._known and metrics_key:
            self._known.append((_hash(metrics_key), MONITOR))

    def reader(self, authorization: str) -> Reader:
        """Who sends this Authorization header. Takes as long for a wrong key as for a right one.

        Raises Refusal when it holds no key that is known.
        """
        if not self._known:
            return EVERYBODY
        scheme, _, given = authorization.partition(" ")
        offered, found = _hash(given.strip()), None
        for known, reader in self._known:
            if hmac.compare_digest(offered, known):
                found = reader
        if found is None or scheme.lower() != "bearer":
            raise Refusal(
                401,
                "unauthorized",
                "The request should have a header `Authorization: Bearer <key>` with one of the "
                "keys of RAG_API_KEYS.",
            )
        return found


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def _name(secret: str) -> str:
    return f"key-{_hash(secret).hex()[:8]}"
