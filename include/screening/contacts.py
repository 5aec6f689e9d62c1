"""E-mail addresses and phone numbers that somebody could be reached at."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

_EMAIL = re.compile(
    r"(?<![\w.+@/-])(\w[\w.+'-]{0,63})@((?:[^\W_][\w-]{0,62}\.){1,8}[^\W\d_]{2,24})(?![\w@]|[.-]\w)"
)
# Reserved by RFC 2606 and RFC 6761: nobody can be reached there.
_RESERVED = re.compile(
    r"(?:.*\.)?(?:example(?:\.\w+)?|test|invalid|local|localhost)", re.IGNORECASE
)
_IN_USERINFO = re.compile(r"://[^\s/?#]{0,100}$")  # a password in a URL, not an address
_ACCOUNTS = frozenset({"git", "hg"})  # `git@github.com:owner/name`
_INTERNATIONAL = re.compile(r"[+\uff0b]\s?\(?\d")
_SEVERAL_GROUPS = re.compile(r"\d[^\d.]+\d")


def find_emails(text: str) -> Iterator[tuple[int, int]]:
    """The spans of e-mail addresses under a top-level domain that exists."""
    from validators import domain

    for found in _EMAIL.finditer(text):
        local, host = found.groups()
        if local.lower() in _ACCOUNTS or _RESERVED.fullmatch(host):
            continue
        if _IN_USERINFO.search(text, max(0, found.start() - 100), found.start()):
            continue
        if domain(host, consider_tld=True):
            yield found.span()


def find_phones(text: str, regions: Collection[str] = ()) -> Iterator[tuple[int, int]]:
    """The spans of valid phone numbers: international ones, and national ones of `regions`.

    A national number must be written in groups: digits alone, and decimals, could be anything.
    """
    if not regions and not _INTERNATIONAL.search(text):
        return
    from phonenumbers import PhoneNumberMatcher

    for region in regions or (None,):
        for found in PhoneNumberMatcher(text, region, max_tries=len(text) + 1):
            written = found.raw_string
            grouped = _SEVERAL_GROUPS.search(written) and "." not in written
            if grouped or _INTERNATIONAL.search(written):
                yield found.start, found.end
