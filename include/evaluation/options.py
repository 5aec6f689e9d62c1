"""The choices of dimensions and bits for one model's vectors, and what was found of each. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from include.errors import ConfigurationError
from include.evaluation.bootstrap import Interval
from include.evaluation.timing import Latency
from include.storage.vector_forms import FORMS, Form, require_form

# Lengths that models are trained for; of a model's own, the two next shorter ones are tried.
_USUAL = (1_024, 768, 512, 256, 128, 64)
_MOST_SHORTENED = 2


@dataclass(frozen=True, slots=True)
class Option:
    """So many of the first dimensions, stored in this form."""

    dimensions: int
    form: Form = "float32"

    @property
    def name(self) -> str:
        """`256-int8`: names an option in tables and files."""
        return f"{self.dimensions}-{self.form}"

    def target(self, model: str, whole: int) -> str:
        """What `reembed --target` takes to make an index of it; `model` as in RAG_EMBEDDER, uncut."""
        cut = "" if self.dimensions == whole else f"@{self.dimensions}"
        return f"RAG_EMBEDDER={model}{cut} RAG_INDEX_VECTORS={self.form}"


def usual(whole: int, *, can_be_cut: bool) -> list[Option]:
    """What is worth a look for a model of so many dimensions; its vectors as they are come first."""
    lengths = [whole]
    if can_be_cut:
        lengths += [each for each in _USUAL if each <= whole * 3 // 4][:_MOST_SHORTENED]
    forms = {
        length: FORMS if length == whole else ("float32", "int8", "binary") for length in lengths
    }
    return [
        Option(length, form) for length in lengths for form in forms[length] if _fits(length, form)
    ]


def parse(text: str, whole: int, *, can_be_cut: bool) -> list[Option]:
    """`@256,int8,@256+binary` as options behind the vectors as they are; "" for the usual ones.

    Raises ConfigurationError for an option that this model cannot have.
    """
    if not text.strip():
        return usual(whole, can_be_cut=can_be_cut)
    chosen = [Option(whole)]
    for part in text.split(","):
        found = re.fullmatch(rf"(?:@([1-9]\d*))?\+?({'|'.join(FORMS)})?", part.strip())
        if not part.strip() or found is None:
            raise ConfigurationError(
                f"An option should be like @256, int8 or @256+int8 (of {', '.join(FORMS)}), is {part!r}."
            )
        length = int(found[1] or whole)
        if length > whole or (length < whole and not can_be_cut):
            raise ConfigurationError(
                f"The option {part!r} asks for {length} dimensions; the model has {whole}"
                f"{'' if can_be_cut else ' and is not made to be cut'}."
            )
        option = Option(length, _form(found[2]))
        require_form(option.form, length)
        chosen.append(option)
    return list(dict.fromkeys(chosen))


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found of one option.

    `bytes` are those of all its vectors on disk, with their search index where there is one.
    `index_recall` is the share of the ten nearest by whole vectors that a search finds; `latency` is
    of vector searches alone. The differences are those to the vectors as they are; `now` says that
    the index has them in this form.
    """

    option: Option
    target: str
    now: bool
    chunks: int
    bytes: int
    index_recall: float
    latency: Latency
    ndcg: float
    recall: float
    ndcg_difference: Interval
    recall_difference: Interval

    @property
    def command(self) -> str:
        """What makes an index of it, beside the live one; "" for what there is."""
        return "" if self.now else f"python -m include reembed --target '{self.target}'"

    @property
    def bytes_per_chunk(self) -> float:
        """What one chunk's vector takes on disk."""
        return self.bytes / self.chunks if self.chunks else 0.0

    def as_json(self) -> dict[str, object]:
        """What was found as JSON values."""
        return {
            "option": self.option.name,
            "dimensions": self.option.dimensions,
            "vectors": self.option.form,
            "target": self.target,
            "command": self.command,
            "now": self.now,
            "bytes": self.bytes,
            "bytes_per_chunk": round(self.bytes_per_chunk, 1),
            "index_recall@10": self.index_recall,
            "ndcg@10": self.ndcg,
            "recall@10": self.recall,
            "differences": {
                "ndcg@10": self.ndcg_difference.as_json(),
                "recall@10": self.recall_difference.as_json(),
            },
            "latency": self.latency.as_json(),
        }


HEAD = (
    "dimensions and form",
    "bytes a chunk",
    "MB in all",
    "recall@10 to exact",
    "ndcg@10",
    "difference [95 %]",
    "recall@10",
    "search p50 / p95, ms",
)


def rows(measured: Sequence[Measured]) -> list[list[str]]:
    """A table of what was found, below HEAD."""
    return [
        [
            f"{each.option.dimensions} {each.option.form}{' (now)' if each.now else ''}",
            f"{each.bytes_per_chunk:.0f}",
            f"{each.bytes / 1e6:.2f}",
            f"{each.index_recall:.3f}",
            f"{each.ndcg:.4f}",
            f"{each.ndcg_difference.mean:+.4f} [{each.ndcg_difference.low:+.4f}, "
            f"{each.ndcg_difference.high:+.4f}]",
            f"{each.recall:.4f}",
            f"{each.latency.p50_ms:.1f} / {each.latency.p95_ms:.1f}",
        ]
        for each in measured
    ]


def _form(name: str | None) -> Form:
    return next((form for form in FORMS if form == name), "float32")


def _fits(length: int, form: Form) -> bool:
    return form in ("float32", "float16") or length % 8 == 0
