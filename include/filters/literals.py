"""A filter's values: what a token is worth to a field, or why it is not."""

from __future__ import annotations

from include.filters.tokens import Token
from include.metadata import Field, Kind, Value
from include.metadata.values import typed

# Digits beyond any number that a store knows; Python itself refuses to read 4,300.
_MOST_DIGITS = 400
_LITERALS: dict[Kind, tuple[type, ...]] = {
    "text": (str,),
    "date": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
}
_EXPECTED: dict[Kind, str] = {
    "text": "a text in quotes",
    "date": "a date as '2024-12-31'",
    "bool": "true or false",
    "int": "a whole number of at most 64 bits",
    "float": "a finite number",
}


def value_for(field: Field, token: Token) -> Value:
    """The token as a value to compare the field, or an entry of it, with.

    Raises ValueError with what was expected.
    """
    kind: Kind = "text" if field.kind == "list" else field.kind
    literal = _literal(token)
    if literal is None or not isinstance(literal, _LITERALS[kind]):
        raise ValueError(_EXPECTED[kind])
    try:
        return typed(kind, literal)
    except ValueError:
        raise ValueError(_EXPECTED[kind]) from None


def _literal(token: Token) -> str | int | float | bool | None:
    if token.kind == "text":
        quote = token.text[0]
        return token.text[1:-1].replace(quote * 2, quote)
    if token.kind == "number":
        return _number(token.text)
    return {"true": True, "false": False}.get(token.text.lower()) if token.kind == "name" else None


def _number(text: str) -> int | float | None:
    if len(text) > _MOST_DIGITS:
        return None
    return int(text) if text.lstrip("+-").isdigit() else float(text)
