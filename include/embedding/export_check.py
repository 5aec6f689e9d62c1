"""Whether an exported model still is the model: its vectors beside those of PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from include.embedding.checks import unit
from include.embedding.engine import Engine
from include.embedding.models import ModelFolder
from include.embedding.rust_tokenizer import PlainTokenizer, load_rust
from include.errors import ModelError

# Two engines of one identity may differ by rounding only; libraries.md measured 2e-7.
LARGEST_DIFFERENCE = 1e-4
# Measured for int8 on all-MiniLM-L6-v2: mean 0.992 and 0.977 at worst on 84 texts.
LOWEST_MEAN_COSINE = 0.98
LOWEST_COSINE = 0.95

_SENTENCE = (
    "The sync stage compares the listing of the source with the manifest, plans what changed, and "
    "embeds only texts that were never embedded before (see section 4.2, page 17). "
)
_TEXTS = (
    "retry",
    "What is exponential backoff?",
    "Übergrößenträger façade naïve ΑΒΓ Ж",
    "東京都は日本の首都です。 한국어 문장 하나.",
    "🎉 → ∞ ≠ π",
    "def embed(texts: list[str]) -> np.ndarray:\n    return model.encode(texts, batch_size=8)\n",
    "| name | value |\n|------|-------|\n| a    | 1     |",
    "x" * 300,
    _SENTENCE,
    _SENTENCE * 3,
    _SENTENCE[::-1] * 2,
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far two engines are apart on `texts` texts of up to `longest` tokens."""

    texts: int
    longest: int
    largest_difference: float
    mean_cosine: float
    lowest_cosine: float

    def refuse_difference(self) -> None:
        """Raises ModelError unless both engines give the same vectors but for rounding."""
        if not self.largest_difference <= LARGEST_DIFFERENCE:
            raise ModelError(
                f"The export differs from PyTorch by {self.largest_difference:.3g} "
                f"(at most {LARGEST_DIFFERENCE} is rounding)."
            )

    def refuse_distance(self) -> None:
        """Raises ModelError unless the vectors point the same way, as quantised ones should."""
        if not (self.mean_cosine >= LOWEST_MEAN_COSINE and self.lowest_cosine >= LOWEST_COSINE):
            raise ModelError(
                f"The int8 export is too far from full precision: cosine {self.mean_cosine:.4f} on "
                f"average and {self.lowest_cosine:.4f} at worst (expected at least "
                f"{LOWEST_MEAN_COSINE} and {LOWEST_COSINE}). Set RAG_EMBEDDER_PRECISION=fp32."
            )

    def report(self) -> dict[str, float]:
        """The figures, for the record beside the export."""
        return asdict(self)


def compare(model: ModelFolder, candidate: Engine, reference: Callable[[], Engine]) -> Comparison:
    """Both engines on a dozen texts, from one word to the longest the model reads."""
    rust = load_rust(model.transformer)
    texts = [*_TEXTS, longest_text(model.tokenizer())]
    sequences = [rust.encode(text).ids for text in texts]
    sequences = [ids for ids in sequences if len(ids) <= model.max_sequence]
    got, expected = (unit(engine.vectors(sequences)) for engine in (candidate, reference()))
    cosines = np.sum(got * expected, axis=1)
    return Comparison(
        texts=len(sequences),
        longest=max(map(len, sequences)),
        largest_difference=float(np.abs(got - expected).max()),
        mean_cosine=float(cosines.mean()),
        lowest_cosine=float(cosines.min()),
    )


def longest_text(tokenizer: PlainTokenizer) -> str:
    """A text of as many tokens as the model reads, or one or two fewer."""
    text = _SENTENCE * (tokenizer.limit // tokenizer.count(_SENTENCE) + 1)
    end = tokenizer.starts(text)[tokenizer.limit]
    while tokenizer.count(text[:end]) > tokenizer.limit:
        end -= 1
    return text[:end]
