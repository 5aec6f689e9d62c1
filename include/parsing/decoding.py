"""Bytes in, text out: the encoding is established, never guessed silently.

A byte order mark decides; then the pattern of NUL bytes (UTF-16 and UTF-32 without a mark); then
UTF-8, which random bytes almost never satisfy; then what the document declares; then
charset-normalizer, whose guess is believed only when the result reads like text.
"""

from __future__ import annotations

import codecs
import re

from include.errors import DocumentError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BINARY_FORMATS = (
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "ZIP or Office"),
    (b"\xd0\xcf\x11\xe0", "old Office"),
    (b"{\\rtf", "RTF"),
    (b"\x89PNG", "PNG"),
    (b"GIF8", "GIF"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"7z\xbc\xaf", "7-Zip"),
    (b"\x7fELF", "program"),
    (b"PAR1", "Parquet"),
    (b"SQLite format 3\0", "SQLite"),
)
_UNWANTED = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_UNWANTED_ASCII = dict.fromkeys([*range(9), 11, *range(14, 32), 127])
_CONTROL_BYTES = bytes(_UNWANTED_ASCII)
_LIKELY = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "iso8859_2",
    "iso8859_5", "koi8_r", "koi8_u", "cp866", "mac_roman", "cp932", "euc_jp", "gb18030", "big5",
    "cp949",
)  # fmt: skip
_LINE_ENDS = re.compile("\r\n?|\f|\x85|\u2028|\u2029")
_MULTIBYTE = re.compile(b"[\xc2-\xf4][\x80-\xbf]+")
_SAMPLE = 64 * 1024
_MOST_CONTROLS = 0.02


def decode(raw: bytes, declared: str | None = None) -> str:
    """The text of `raw`: lines end in LF, no control characters but tab, no lone surrogates.

    Raises DocumentError `binary` when these bytes are not text, `encoding` when they are text of
    an encoding that cannot be established.
    """
    kind = next((name for magic, name in _BINARY_FORMATS if raw.startswith(magic)), None)
    if kind:
        raise DocumentError("binary", f"The content is a {kind} file, not text.")
    text = _decoded(raw, declared)
    cleaned = text.translate(_UNWANTED_ASCII) if text.isascii() else _UNWANTED.sub("", text)
    _refuse_controls(len(text) - len(cleaned), len(text))
    return _LINE_ENDS.sub("\n", cleaned)


def _refuse_controls(controls: int, length: int) -> None:
    if controls > _MOST_CONTROLS * length + 1:
        raise DocumentError(
            "binary",
            f"{controls} of {length} characters are control characters: the content is not text.",
        )


def _decoded(raw: bytes, declared: str | None) -> str:
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(encoding, "ignore")
    wide = _wide_encoding(raw[:_SAMPLE])
    if wide:
        return raw.decode(wide, "ignore")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse_controls(len(raw) - len(raw.translate(None, _CONTROL_BYTES)), len(raw))
        return _repaired(raw, error) or _declared(raw, declared) or _guessed(raw)


def _wide_encoding(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark: mostly Latin text has NULs in fixed columns."""
    sample = sample[: len(sample) // 4 * 4]
    if not sample or sample.count(0) * 5 < len(sample):
        return None
    columns = [sample[column::4].count(0) / (len(sample) // 4) for column in range(4)]
    zero, used = [share > 0.7 for share in columns], [share < 0.3 for share in columns]
    if used[0] and all(zero[1:]):
        return "utf-32-le"
    if used[3] and all(zero[:3]):
        return "utf-32-be"
    if used[0] and used[2] and zero[1] and zero[3]:
        return "utf-16-le"
    if used[1] and used[3] and zero[0] and zero[2]:
        return "utf-16-be"
    raise DocumentError("binary", "The content is full of NUL bytes: it is not text.")


def _repaired(raw: bytes, error: UnicodeDecodeError) -> str | None:
    """UTF-8 with a few broken bytes (a cut-off end, one pasted word), marked as U+FFFD."""
    text = raw.decode("utf-8", "replace")
    broken, valid = text.count("\ufffd"), len(_MULTIBYTE.findall(raw))
    at_the_end = error.start >= len(raw) - 3
    return text if at_the_end or broken * 10 <= valid else None


def _declared(raw: bytes, declared: str | None) -> str | None:
    try:
        return raw.decode(declared) if declared else None
    except (LookupError, ValueError):
        return None


def _guessed(raw: bytes) -> str:
    from charset_normalizer import from_bytes

    guesses = from_bytes(
        raw[:_SAMPLE], cp_isolation=list(_LIKELY), threshold=0.2, enable_fallback=False
    )
    best = guesses.best()
    western = next((guess for guess in guesses if guess.encoding == "cp1252"), None)
    if best and western and western.chaos <= best.chaos and western.coherence >= best.coherence:
        best = western
    text = raw.decode(best.encoding, "replace") if best else ""
    if not text or text.count("\ufffd") > len(text) // 1000 or not _reads_like_text(text[:_SAMPLE]):
        raise DocumentError(
            "encoding",
            "The encoding cannot be established (not UTF-8, no byte order mark). "
            "Save the file as UTF-8.",
        )
    return text


def _reads_like_text(sample: str) -> bool:
    letters = sum(character.isalnum() or character.isspace() for character in sample)
    return letters >= 0.6 * len(sample)
