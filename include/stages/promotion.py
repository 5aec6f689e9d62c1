"""Switching readers to another index: only a complete one, and only one that passed.

The switch is one conditional write of the registry. What was live stays as `previous`, so that a
rollback is one write, too. A person may overrule the gate; who and why is kept with the index.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime

from include.errors import ConfigurationError, GateError
from include.observability.log import stage
from include.stages.coverage import coverage
from include.storage.index_entries import Entries, Index, values_of
from include.storage.registry import Registry
from include.storage.tables import Tables
from include.vectorstore.protocol import VectorStore

_REASONS = 3


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants which index live. `overrule` is the reason to do it although a gate refuses."""

    index: str
    by: str
    overrule: str = ""


def promote(
    request: Request, registry: Registry, tables: Tables, store: VectorStore, *, now: datetime
) -> Index:
    """Makes a candidate live, or the previous index again; returns it.

    Raises ConfigurationError for an index that is unknown, still being built or retired, GateError
    for a candidate that lacks documents, was refused, or was not evaluated beside the index that is
    live at the moment of the switch. All but the first can be overruled: an incomplete index would
    make documents disappear.
    """
    index = registry.get(request.index)
    with stage("promote", index=index.name, by=request.by, overruled=bool(request.overrule)):
        if index.state == "building":
            raise ConfigurationError(
                f"Index {index.name!r} is still being built: {index.missing} documents are "
                f"missing. {_fill(index, registry)}"
            )
        if index.state == "retired":
            raise ConfigurationError(f"Index {index.name!r} is retired. {_fill(index, registry)}")
        if index.state == "candidate":
            _require_complete(index, registry, tables, store)
        promotion = {
            "by": request.by,
            "at": now.astimezone(UTC).isoformat(),
            "overruled": request.overrule,
        }

        def allowed(entries: Entries) -> None:
            candidate = entries.get(index.name)
            if candidate.state == "candidate" and not request.overrule:
                require_passed(candidate, entries.in_state("live"))

        registry.promote(index.name, promotion, check=allowed)
    return registry.get(index.name)


def rollback(by: str, registry: Registry) -> Index:
    """Makes the previous index live again; returns it. The log says who did it.

    Raises ConfigurationError when there is none.
    """
    with stage("rollback", by=by) as event:
        live = registry.rollback()
        event["index"] = live.name
    return live


def require_passed(index: Index, live: Index | None) -> None:
    """Raises GateError unless the index's last evaluation passed, beside what is live."""
    evaluate = (
        f"Run `python -m include evaluate --index {index.name} --against live`, or "
        f"evaluate_retrieval in Airflow; or overrule this with a reason."
    )
    if index.evaluation is None:
        raise GateError(f"Index {index.name!r} was never evaluated. {evaluate}")
    against = index.evaluation.get("against")
    if live and against != live.name:
        raise GateError(
            f"Index {index.name!r} was held against {against!r} when it was evaluated; now "
            f"{live.name!r} is live. {evaluate}"
        )
    if index.evaluation.get("verdict") != "pass":
        raise GateError(
            f"Index {index.name!r} was refused: {reasons(index)} Overrule it with a reason, or "
            f"build another one."
        )


def reasons(index: Index) -> str:
    """Why its evaluation refused it, in sentences: the first ones, and where the others are."""
    found = (index.evaluation or {}).get("reasons")
    if not isinstance(found, list | tuple):
        return "no reason was given."
    more = len(found) - _REASONS
    page = f"{more} more are on its page (`python -m include report {index.name}`)."
    return " ".join([*map(str, found[:_REASONS]), *([page] if more > 0 else [])])


def _require_complete(index: Index, registry: Registry, tables: Tables, store: VectorStore) -> None:
    found = coverage(tables, store, index.name)
    if not found.complete:
        raise GateError(
            f"Index {index.name!r} lacks {len(found.missing)} of {found.documents} documents and "
            f"holds {len(found.surplus)} that are gone: an ingestion has just changed them. "
            f"{_fill(index, registry)}"
        )


def _fill(index: Index, registry: Registry) -> str:
    """How it is filled: the target is what differs from the live index."""
    live = registry.live()
    own, of_live = values_of(index), values_of(live) if live else {}
    differs = [f"{name}={own[name]}" for name in own if own[name] != of_live.get(name)]
    return (
        f"Fill it first: `python -m include reembed --target {shlex.quote(shlex.join(differs))}`, or trigger "
        f"reembed_corpus with this target."
    )
