"""`report`: a page that a run left in the lake, taken out for a browser to open."""

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

    `name` is the run of an evaluation, or an index, whose latest evaluation it is, or the address of
    any page in the lake; "" is the latest evaluation of all.
    """
    files, uri = platform.lake.files, _address(platform, name)
    page = files.read(files.path(uri))
    if page is None:
        raise ConfigurationError(
            f"There is no page of an evaluation {name!r}: name its run or its address as Airflow or "
            f"`evaluate` told it, or an index. An erasure removes pages that name its document; "
            f"`python -m include evaluate` makes a new one."
        )
    out = out or Path(uri.rpartition("/")[2])
    write_page(out, page.decode(), "--out")
    return {"report": uri, "out": str(out)}


def shown(answer: Json) -> str:
    """Where it is now, for people."""
    return f"{answer['out']} is {answer['report']}: open it in a browser."


def _address(platform: Platform, name: str) -> str:
    """Where the page is in the lake, if it is there."""
    if "://" in name and name.endswith(".html"):
        root = platform.lake.files.uri("-").removesuffix("-")
        if not name.startswith(root) or ".." in name.split("/"):
            raise ConfigurationError(f"A page should be in this lake, {root}; {name!r} is not.")
        return name
    made = platform.tables.evaluations.read(["id", "at", "index"]).sort("at", "id")
    of_index = made.filter(made["index"] == name) if name else made
    if not (name or of_index.height):
        raise ConfigurationError("Nothing was evaluated yet: run `python -m include evaluate`.")
    run_id = of_index["id"][-1] if of_index.height else name
    return platform.lake.files.uri(f"evaluations/{path_name(run_id)}.html")
