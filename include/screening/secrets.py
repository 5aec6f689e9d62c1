"""Secrets: tokens of known make, private keys, passwords in URLs.

The patterns are detect-secrets'; its guesses by entropy and by variable name are left out, for
they take hashes and examples for secrets. Passwords in prose cannot be told from other words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from re import Pattern

from include.screening.findings import windows

_LIBRARY = (
    "artifactory", "aws", "azure_storage_key", "cloudant", "discord", "github_token",
    "gitlab_token", "ibm_cloud_iam", "ibm_cos_hmac", "mailchimp", "openai", "pypi_token",
    "sendgrid", "slack", "softlayer", "square_oauth", "stripe", "telegram_token", "twilio",
)  # fmt: skip
# Makes that detect-secrets 1.5 does not know, or whose pattern there takes quadratic time.
_FURTHER = (
    r"AIza[0-9A-Za-z_-]{35}",  # Google
    r"sk-ant-[0-9A-Za-z_-]{40,200}",  # Anthropic
    r"hf_[0-9A-Za-z]{34,60}",  # Hugging Face
    r"github_pat_[0-9A-Za-z]{22}_[0-9A-Za-z]{59}",
    r"npm_[0-9A-Za-z]{36}",
)
_JWT = re.compile(r"(eyJ[\w-]{10,4000}\.eyJ[\w-]{2,4000})(?:\.[\w-]{0,2000})?", re.ASCII)
_IN_URL = re.compile(r"://[^\s:/?#\[\]@<>\"']{0,200}:([^\s:/?#@<>\"']{3,200})@")
_BEGIN_KEY = r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
_PRIVATE_KEY = re.compile(
    _BEGIN_KEY + r"(?:(?!-----)[\s\S]){40,20000}-----END [A-Z0-9 ]{1,40}-----"
    "|" + _BEGIN_KEY + r"(?:(?:\s|\\[nr]){1,20}[A-Za-z0-9+/=]{30,})+"  # without its end
)
_KEY_MATERIAL = re.compile(r"[A-Za-z0-9+/=]{30}")
_PLACEHOLDER = re.compile(
    r"[*x.…]+|\$.*|\{.*\}|%.*%|(?:your|my|the)?[-_]?(?:pass(?:word|wd)?|pw|pwd|secret|token|key)",
    re.IGNORECASE,
)
_WINDOW, _OVERLAP = 4_000, 400


def find_secrets(text: str) -> Iterator[tuple[int, int]]:
    """The spans of secrets, in no particular order, possibly overlapping."""
    for key in _PRIVATE_KEY.finditer(text):
        if _KEY_MATERIAL.search(key[0]):
            yield key.span()
    for start, end in windows(text, _WINDOW, _OVERLAP):
        yield from _in_window(text, start, end)


def _in_window(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for pattern in _patterns():
        for found in pattern.finditer(text, start, end):
            if _stands_alone(text, *found.span()) and "EXAMPLE" not in found[0]:
                yield found.span()
    for found in _JWT.finditer(text, start, end):
        if _is_jwt(found[1]):
            yield found.span()
    for found in _IN_URL.finditer(text, start, end):
        if not _PLACEHOLDER.fullmatch(found[1]):
            yield found.span(1)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """No letter or digit goes on before or behind: a piece of a hash or of base64 is no token."""
    before = start > 0 and text[start - 1].isalnum() and text[start].isalnum()
    behind = end < len(text) and text[end].isalnum() and text[end - 1].isalnum()
    return not before and not behind


@lru_cache(maxsize=1)
def _patterns() -> tuple[Pattern[str], ...]:
    from detect_secrets.plugins.base import RegexBasedDetector

    for name in _LIBRARY:
        import_module(f"detect_secrets.plugins.{name}")
    wanted = {f"detect_secrets.plugins.{name}" for name in _LIBRARY}
    makes = sorted(RegexBasedDetector.__subclasses__(), key=lambda make: make.__name__)
    known = [pattern for make in makes if make.__module__ in wanted for pattern in make.denylist]
    return (*known, *map(re.compile, _FURTHER))


def _is_jwt(token: str) -> bool:
    from detect_secrets.plugins.jwt import JwtTokenDetector

    return bool(JwtTokenDetector.is_formally_valid(token))
