"""What the cells of a workbook show: shared texts, numbers, dates, percentages, truth values."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from include.parsing.packages import Package
from include.parsing.xml_trees import (
    Element,
    attribute,
    child,
    children,
    descendants,
    local,
    stream,
)

_EPOCH, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 (sheets have no zones)
_LAST_DAY = 2_958_465  # 9999-12-31
_BUILT_IN_DATES = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])
_BUILT_IN_PERCENT = frozenset((9, 10))
_LITERALS = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_DATE_CODE = re.compile(r"[ymdhs]", re.IGNORECASE)


class Values:
    """Reads cells with their workbook's shared texts and number formats."""

    def __init__(self, package: Package, workbook: str) -> None:
        def related(kind: str) -> Element | None:
            return next((package.xml(name) for name in package.related(workbook, kind)), None)

        settings = child(package.xml(workbook), "workbookPr")
        self._epoch = _EPOCH_1904 if attribute(settings, "date1904") in ("1", "true") else _EPOCH
        self._shared = [
            _rich_text(entry)
            for part in package.related(workbook, "sharedStrings")
            for entry in stream(package.content(part), part, "si")
        ]
        self._kinds = _kinds(related("styles"))

    def shown(self, cell: Element) -> str:
        """A cell's value as a reader sees it; formulas show their last result."""
        kind = attribute(cell, "t")
        if kind == "inlineStr":
            text = child(cell, "is")
            return "" if text is None else _rich_text(text)
        found = child(cell, "v")
        value = (found.text or "") if found is not None else ""
        if kind == "s":
            at = int(value) if value.isascii() and value.isdigit() and len(value) < 9 else -1
            return self._shared[at] if 0 <= at < len(self._shared) else ""
        if kind == "b":
            return {"1": "TRUE", "0": "FALSE"}.get(value, value)
        if kind == "d":
            return value.replace("T", " ").removesuffix(" 00:00:00")
        return value if kind in ("str", "e") else self._number(value, attribute(cell, "s"))

    def _number(self, value: str, style: str) -> str:
        try:
            number = float(value)
        except ValueError:
            return value
        at = int(style) if style.isascii() and style.isdigit() and len(style) < 9 else 0
        kind = self._kinds[at] if at < len(self._kinds) else ""
        if kind == "date" and 0 <= number <= _LAST_DAY:
            return _date(self._epoch + timedelta(days=number), number)
        return f"{number * 100:.10g}%" if kind == "percent" else f"{number:.15g}"


def _date(moment: datetime, days: float) -> str:
    """ISO 8601 to the second; a time of day alone where there is no day."""
    moment = (moment + timedelta(milliseconds=500)).replace(microsecond=0)
    if 0 < days < 1:
        return moment.time().isoformat()
    return moment.isoformat(sep=" ").removesuffix(" 00:00:00")


def _kinds(styles: Element | None) -> list[str]:
    """For each cell style: `date`, `percent` or ""."""
    codes = {
        attribute(entry, "numFmtId"): attribute(entry, "formatCode")
        for entry in children(child(styles, "numFmts"), "numFmt")
    }
    formats = (attribute(entry, "numFmtId") for entry in children(child(styles, "cellXfs"), "xf"))
    return [_kind(number, codes.get(number, "")) for number in formats]


def _kind(number: str, code: str) -> str:
    code = _LITERALS.sub("", code.split(";")[0])
    built_in = int(number) if number.isascii() and number.isdigit() and len(number) < 9 else 0
    if built_in in _BUILT_IN_DATES or _DATE_CODE.search(code):
        return "date"
    return "percent" if built_in in _BUILT_IN_PERCENT or "%" in code else ""


def _rich_text(entry: Element) -> str:
    """The text of its runs, without the pronunciation marks that East Asian texts carry."""
    direct = [part for part in entry if local(part) == "t"]
    runs = [text for run in children(entry, "r") for text in descendants(run, "t")]
    return "".join(text.text or "" for text in [*direct, *runs])
