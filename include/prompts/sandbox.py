"""The template language: Jinja in a sandbox, cut down to a list of allowed constructs.

There are no calls, no arithmetic, no includes and no macros, and a field of a value is looked up in
its data, never among its attributes. What is not in the lists below is refused when a template is
loaded, so that nobody has to prove what the rest could do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from include.prompts.text import TemplateText

FENCE = "fence"
"""Given to every template beside its own variables; see `rendering`."""
_NODES = frozenset(
    (
        *("Template", "Output", "TemplateData", "Name", "Const", "Getattr", "Getitem", "For", "If"),
        *("Compare", "Operand", "And", "Or", "Not", "CondExpr", "Filter", "Test", "Concat"),
    )
)
_FILTERS = frozenset(
    (
        *("capitalize", "default", "first", "join", "last", "length", "lower", "round", "title"),
        *("tojson", "trim", "truncate", "upper"),
    )
)
_TESTS = frozenset(("defined", "undefined", "none", "string", "number", "sequence", "mapping"))
_LOOP = frozenset(("index", "index0", "first", "last", "length"))
_LONGEST_ARGUMENT = 100
_LARGEST_ARGUMENT = 100_000


class _Data(ImmutableSandboxedEnvironment):
    """Looks fields up in mappings and sequences alone: a value has no methods here."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, (Mapping, Sequence)):
            try:
                return obj[argument]
            except (LookupError, TypeError):
                pass
        return self.undefined(obj=obj, name=argument)


def used_variables(text: TemplateText) -> frozenset[str]:
    """The names that a template takes from its values; ValueError for what it may not hold."""
    found: set[str] = set()
    for message in (text.system, text.user):
        try:
            tree = _environment().parse(message)
        except (TemplateError, RecursionError) as error:
            line = getattr(error, "lineno", None)
            place = f" (line {line} of the message)" if line else ""
            raise ValueError(f"template cannot be read: {error}{place}") from error
        for node in _all(tree):
            _refuse(node)
        found |= meta.find_undeclared_variables(tree)
    return frozenset(found - {FENCE})


@lru_cache(maxsize=256)
def compiled(message: str) -> Template:
    """One message, ready to render; only of a template that `used_variables` has accepted."""
    return _environment().from_string(message)


@cache
def _environment() -> _Data:
    # Autoescape is for HTML: a model should read the document's own characters.
    made = _Data(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
    made.globals.clear()
    made.filters = {name: made.filters[name] for name in _FILTERS} | {"tojson": _tojson}
    made.tests = {name: made.tests[name] for name in _TESTS}
    return made


def _tojson(value: object) -> str:
    # Jinja's own is for HTML: it turns <, > and & into escapes.
    return json.dumps(value, ensure_ascii=False)


def _all(tree: nodes.Node) -> Iterator[nodes.Node]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.iter_child_nodes()


def _refuse(node: nodes.Node) -> None:
    """Raises ValueError for a construct that templates do without."""
    kind, place = type(node).__name__, f"line {node.lineno} of the message"
    if kind not in _NODES:
        raise ValueError(
            f"template should hold variables, conditions, loops and filters only, holds "
            f"{kind!r} ({place})"
        )
    if isinstance(node, nodes.Filter):
        _refuse_name("filter", node.name, _FILTERS, place)
        _refuse_arguments(node, place)
    if isinstance(node, nodes.Test):
        _refuse_name("test", node.name, _TESTS, place)


def _refuse_name(kind: str, name: str, allowed: frozenset[str], place: str) -> None:
    if name not in allowed:
        raise ValueError(
            f"template uses the {kind} {name!r} ({place}); allowed are {', '.join(sorted(allowed))}"
        )


def _refuse_arguments(node: nodes.Filter, place: str) -> None:
    """A filter's arguments are short constants: no filter multiplies one value by another."""
    given = [*node.args, *(each.value for each in node.kwargs)]
    modest = all(isinstance(each, nodes.Const) and _is_modest(each.value) for each in given)
    if not modest or node.dyn_args or node.dyn_kwargs:
        raise ValueError(
            f"template should give the filter {node.name!r} constants of at most "
            f"{_LONGEST_ARGUMENT} characters, or numbers up to {_LARGEST_ARGUMENT:,} ({place})"
        )


def _is_modest(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_ARGUMENT
    return value is None or (isinstance(value, (int, float)) and abs(value) <= _LARGEST_ARGUMENT)
