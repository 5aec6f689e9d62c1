"""Payment card numbers and IBANs, told from other digits by issuer, grouping and check digits."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CARD = re.compile(
    r"(?<![\w.,/+-])(?:"
    r"[3-6]\d{13,15}|2[2-7]\d{14}"
    r"|[2-6]\d{3}([ -])\d{4}\1\d{4}\1\d{4}"  # most
    r"|3\d{3}([ -])\d{6}\2\d{4,5}"  # American Express, Diners Club
    r")(?![\w/-]|[.,]\d)",
    re.ASCII,
)
_IBAN = re.compile(r"(?<![\w-])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![\w-])")
# Lengths by country, from the SWIFT IBAN registry.
_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK", 21: "CH CR HR LI LV",
        22: "BG BH DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip


def find_cards(text: str) -> Iterator[tuple[int, int]]:
    """The spans of card numbers of 14 to 16 digits that an issuer gives out and Luhn confirms."""
    for found in _CARD.finditer(text):
        if _is_issued(re.sub("[ -]", "", found[0])):
            yield found.span()


def _is_issued(digits: str) -> bool:
    from validators import card

    issuers = (card.visa, card.mastercard, card.amex, card.discover, card.diners, card.jcb,
               card.unionpay, card.mir)  # fmt: skip
    return any(issuer(digits) for issuer in issuers)


def find_ibans(text: str) -> Iterator[tuple[int, int]]:
    """The spans of IBANs that have their country's length and the right check digits."""
    from validators import iban

    for found in _IBAN.finditer(text):
        length = _LENGTHS.get(found[0][:2], 0)
        end = _end_of(found[0], length)
        if end and iban(found[0][:end].replace(" ", "")):
            yield found.start(), found.start() + end


def _end_of(candidate: str, length: int) -> int:
    """Where its first `length` characters besides blanks end, at a group's end; 0 if they do not."""
    at = seen = 0
    while at < len(candidate) and seen < length:
        seen += candidate[at] != " "
        at += 1
    complete = length and seen == length and candidate[at : at + 1] in ("", " ")
    return at if complete else 0
