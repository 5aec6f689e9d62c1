"""What the lake holds, what is wrong with it, and what left it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

Json = dict[str, Any]

_SHOWN = 5


def status(answer: Json) -> str:
    """What the lake holds."""
    last = answer["last_sync"]
    return "\n".join(
        [
            f"Source      {' '.join(answer['source'])}",
            f"Lake        {answer['lake']}",
            f"Live index  {answer['live_index'] or 'none yet: run `python -m include sync`'}",
            f"Documents   {answer['documents']}  {_aside(answer)}",
            f"Chunks      {answer['chunks']}  ({answer['embeddings']} embeddings cached)",
            f"Last sync   {last['finished_at'] if last else 'never'}",
            f"Spent today ${answer['spend_today_usd']}",
            *(f"Alert       {each['message']}" for each in answer["alerts"]),
        ]
    )


def duplicates(answer: Json) -> str:
    """One paragraph a group: how alike, then the documents."""
    if not answer["groups"]:
        return f"No two documents are alike by {answer['threshold']} or more."
    return "\n\n".join(
        "\n".join(
            [f"{group['likeness']:.2f}", *(f"  {unquote(d['uri'])}" for d in group["documents"])]
        )
        for group in answer["groups"]
    )


def verification(answer: Json) -> str:
    """One line a kind of problem, its first subjects, and what remains to be done."""
    checked = ", ".join(f"{count} {name}" for name, count in answer["checked"].items())
    lines = [f"Checked {checked} in {answer['seconds']} s."]
    for kind, count in answer["counts"].items():
        found = [each for each in answer["problems"] if each["kind"] == kind]
        left = answer["unrepaired"].get(kind, 0)
        state = f"{left} not repaired" if left else "repaired"
        lines.append(f"{kind}: {count}, {state}{' (a note)' if found[0]['note'] else ''}")
        lines += [f"  {unquote(each['subject'])}: {each['detail']}" for each in found[:_SHOWN]]
        lines += [f"  … and {count - _SHOWN} more; --json lists them"] * (count > _SHOWN)
    if not answer["counts"]:
        lines.append("No problem was found.")
    if answer["sync_needed"]:
        lines.append("Now run `python -m include sync`: it completes the repair.")
    elif answer["unrepaired"]:
        lines.append("`python -m include verify --repair` puts right what can be.")
    return "\n".join(lines)


def quarantine(answer: Json) -> str:
    """One line a document."""
    if decision := answer.get("decision"):
        count = len(answer["items"])
        return f"{count} marked '{decision}': the next sync carries it out."
    if not answer["items"]:
        return "Nothing is in quarantine."
    return "\n".join(_quarantined(answer["items"]))


def erasure(answer: Json) -> str:
    """What left, what the probes found, and what is to be done if something is left."""
    removed = ", ".join(f"{count} {name}" for name, count in answer["removed"].items() if count)
    scan, known = answer["scan"], "" if answer["known"] else "No such document is known. "
    lines = [
        f"{known}Removed: {removed or 'nothing'}.",
        f"Searched {len(answer['removed'])} places; read {scan['files']} files, "
        f"{scan['table_versions']} table versions and {scan['artifacts']} artifacts for "
        f"{len(answer['snippet_hashes'])} snippets: found in {scan['found']}.",
    ]
    lines += [
        f"Run {name} may still need it: erase again when it ended, or add --unfinished-runs."
        for name in answer["kept_runs"]
    ]
    if any(each["unfinished"] for each in answer["purged"].values()):
        lines.append("Files of interrupted writes are younger than an hour: erase again later.")
    lines.append(
        f"Receipt erasures/{answer['erasure_id']}.json: "
        f"{'nothing is left' if answer['clean'] else 'NOT CLEAN'}."
    )
    return "\n".join(lines)


def _aside(answer: Json) -> str:
    if not answer["quarantined"]:
        return f"({answer['near_duplicates']} near-duplicates, 0 quarantined)"
    return (
        f"({answer['near_duplicates']} near-duplicates, {answer['quarantined']} quarantined: "
        f"{answer['undecided']} undecided, {answer['outdated']} searchable in an older version)"
    )


def _quarantined(items: Iterable[Json]) -> Iterable[str]:
    for item in items:
        notes = [f"since {item['since'][:16]}", f"{item['tries']} tries", f"id {item['id']}"]
        notes += ["an older version is searchable"] * item["has_old_version"]
        notes += [f"decided: {item['decision']}"] * bool(item["decision"])
        yield f"{item['reason']:<20} {unquote(item['uri'])}\n  {item['detail']} ({'; '.join(notes)})"
