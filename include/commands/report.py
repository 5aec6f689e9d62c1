"""`report`: the page of an evaluation, taken out of the lake, for a browser to open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from include.commands.evaluate import write_page
from include.errors import ConfigurationError
from include.storage.lake import path_name
from include.wiring import Platform

Json = dict[str, Any]


def report(platform: Platform, name: str = "", out: Path | None = None) -> Json:
    """Writes the page to a file, called as the page is unless `out` says how.

    `name` is a run, the address of a page, or an index, whose latest evaluation it is; "" is the
    latest of all.
    """
    page = _page(platform, name)
    stored = platform.lake.objects.read(f"evaluations/{page}.html")
    if stored is None:
        raise ConfigurationError(
            f"There is no page of an evaluation {name!r}: name its run or its address as Airflow or "
            f"`evaluate` told it, or an index. An erasure removes pages that name its document; "
            f"`python -m include evaluate` makes a new one."
        )
    out = out or Path(f"{page}.html")
    write_page(out, stored.data.decode(), "--out")
    return {"report": platform.lake.files.uri(f"evaluations/{page}.html"), "out": str(out)}


def shown(answer: Json) -> str:
    """Where it is now, for people."""
    return f"{answer['out']} is {answer['report']}: open it in a browser."


def _page(platform: Platform, name: str) -> str:
    """What the page is called in the lake, without its ending."""
    if name.endswith(".html"):
        return Path(name).stem
    made = platform.tables.evaluations.read(["id", "at", "index"]).sort("at", "id")
    of_index = made.filter(made["index"] == name) if name else made
    if of_index.height:
        return path_name(of_index["id"][-1])
    if not name:
        raise ConfigurationError("Nothing was evaluated yet: run `python -m include evaluate`.")
    return path_name(name)
