"""The filter language: comparisons on known fields, joined by and, or, not and parentheses.

    filter     := conjunction ("or" conjunction)*
    conjunction:= negation ("and" negation)*
    negation   := "not" negation | "(" filter ")" | comparison
    comparison := field ( sign value | ["not"] "in" "(" value ("," value)* ")"
                        | ["not"] "contains" value | "is" ["not"] "null" )
    sign       := "=" | "!=" | "<" | "<=" | ">" | ">="

Values are 'texts' (a quote inside is doubled), numbers, true and false; dates are texts as
'2024-12-31'. Each value is checked against its field's kind here, so that no store has to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn, cast, get_args

from include.errors import ConfigurationError
from include.filters.literals import value_for
from include.filters.syntax import All, Any, Comparison, Filter, IsNull, Not, Operator
from include.filters.tokens import Token, tokens
from include.metadata import Field, Fields, Value

# Far above what people write, far below what a store's own recursion endures.
MOST_CHARACTERS = 20_000
MOST_COMPARISONS = 200
MOST_VALUES = 1_000
DEEPEST = 50

_SIGNS = [sign for sign in get_args(Operator) if not sign.isalpha()]
_WORDS = ("and", "or", "not", "in", "contains", "is", "null", "true", "false")
_OPERATORS = {
    "text": [*_SIGNS, "in"],
    "int": [*_SIGNS, "in"],
    "float": [*_SIGNS, "in"],
    "date": [*_SIGNS, "in"],
    "bool": ["=", "!="],
    "list": ["contains"],
}


def parse_filter(text: str, fields: Fields) -> Filter:
    """The filter that `text` spells.

    Raises ConfigurationError, naming position, what was expected and the known fields.
    """
    if len(text) > MOST_CHARACTERS:
        raise ConfigurationError(
            f"A filter should have at most {MOST_CHARACTERS} characters, this one has {len(text)}."
        )
    return _Parser(text, fields, list(tokens(text))).parse()


@dataclass(slots=True)
class _Parser:
    text: str
    fields: Fields
    tokens: list[Token]
    at: int = 0
    depth: int = 0
    counts: dict[str, int] = field(default_factory=lambda: {"comparisons": 0, "values": 0})

    def parse(self) -> Filter:
        parsed = self._any()
        if self._next.kind != "end":
            self._fail("and, or, or the end")
        return parsed

    def _any(self) -> Filter:
        return self._joined("or", self._all, Any)

    def _all(self) -> Filter:
        return self._joined("and", self._negation, All)

    def _joined(self, word: str, part: Callable[[], Filter], made: type[All] | type[Any]) -> Filter:
        operands = [part()]
        while self._accept(word):
            operands.append(part())
        return operands[0] if len(operands) == 1 else made(tuple(operands))

    def _negation(self) -> Filter:
        self.depth += 1
        if self.depth > DEEPEST:
            self._fail(f"at most {DEEPEST} levels of not and parentheses")
        parsed = self._inner()
        self.depth -= 1
        return parsed

    def _inner(self) -> Filter:
        if self._accept("not"):
            return Not(self._negation())
        if self._accept("("):
            parsed = self._any()
            self._require(")")
            return parsed
        return self._comparison()

    def _comparison(self) -> Filter:
        self._count("comparisons", MOST_COMPARISONS)
        chosen = self._field()
        if self._accept("is"):
            negative = self._accept("not")
            self._require("null")
            return Not(IsNull(chosen)) if negative else IsNull(chosen)
        negative = self._accept("not")
        operator = self._operator(chosen, negative)
        compared = Comparison(chosen, operator, self._values(chosen, operator))
        return Not(compared) if negative else compared

    def _field(self) -> Field:
        token = self._next
        found = self.fields.find(token.text) if token.kind == "name" else None
        if found is None or token.text.lower() in _WORDS:
            self._fail("a field")
        self.at += 1
        return found

    def _operator(self, chosen: Field, negative: bool) -> Operator:
        allowed = _OPERATORS[chosen.kind]
        if negative:
            allowed = [word for word in allowed if word.isalpha()]
        word = self._next.text.lower()
        if word not in allowed:
            expected = f"{', '.join(allowed)} or is" if allowed else "="
            self._fail(f"{expected}, for {chosen.name} is {chosen.kind}")
        self.at += 1
        return cast(Operator, word)

    def _values(self, chosen: Field, operator: Operator) -> tuple[Value, ...]:
        if operator != "in":
            return (self._value(chosen),)
        self._require("(")
        values = [self._value(chosen)]
        while self._accept(","):
            values.append(self._value(chosen))
        self._require(")")
        return tuple(values)

    def _value(self, chosen: Field) -> Value:
        self._count("values", MOST_VALUES)
        try:
            value = value_for(chosen, self._next)
        except ValueError as expected:
            self._fail(f"{expected}, for {chosen.name} is {chosen.kind}")
        self.at += 1
        return value

    @property
    def _next(self) -> Token:
        return self.tokens[self.at]

    def _accept(self, word: str) -> bool:
        token = self._next
        if token.kind in ("name", "sign") and token.text.lower() == word:
            self.at += 1
            return True
        return False

    def _require(self, word: str) -> None:
        if not self._accept(word):
            self._fail(word)

    def _count(self, what: str, most: int) -> None:
        self.counts[what] += 1
        if self.counts[what] > most:
            self._fail(f"at most {most} {what}")

    def _fail(self, expected: str) -> NoReturn:
        token = self._next
        before = self.text[max(0, token.at - 40) : token.at]
        raise ConfigurationError(
            f"The filter cannot be read at position {token.at + 1}, after {before!r}: expected "
            f"{expected}; found {token.shown}. Known fields: {', '.join(self.fields.names)}; "
            f"others are declared in RAG_METADATA_FIELDS."
        )
