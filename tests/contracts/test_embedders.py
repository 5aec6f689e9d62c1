"""What every embedder promises, and what local models promise beyond it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from include.embedding.checks import checked
from include.embedding.export import export_once
from include.embedding.export_check import Comparison, longest_text
from include.embedding.fake import FakeEmbedder
from include.embedding.last_query import LastQuery
from include.embedding.local import LocalEmbedder
from include.embedding.models import ModelFolder, find_model
from include.embedding.protocol import Embedder, EmbedderIdentity
from include.errors import ConfigurationError, ModelError, QueryError, TransientError
from include.settings import REPOSITORY

TEXTS = [
    "The retry decorator calls the function again after a failure.",
    "x",
    "Über naïve façades in 東京 🎉",
    "def retry(times: int) -> None:\n    ...\n",
    "exponential backoff " * 30,
    "A cat sat on the mat.",
]
LOCAL = {
    "openvino": {"precision": "fp32", "engine": "openvino"},
    "int8": {"precision": "int8", "engine": "auto"},
    "torch": {"precision": "fp32", "engine": "torch"},
}


@pytest.fixture(scope="module")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def model(model_cache: Path) -> ModelFolder:
    return find_model("all-MiniLM-L6-v2", model_cache)


@pytest.fixture(scope="module")
def local(model: ModelFolder, model_cache: Path) -> Callable[[str], LocalEmbedder]:
    return lambda name: LocalEmbedder(model, export_folder=model_cache, **LOCAL[name])


@pytest.fixture(scope="module", params=["fake", *LOCAL])
def embedder(request: pytest.FixtureRequest, local: Callable[[str], LocalEmbedder]) -> Embedder:
    return FakeEmbedder() if request.param == "fake" else local(request.param)


def test_vectors_are_unit_rows_in_the_order_of_the_texts(embedder: Embedder) -> None:
    vectors = embedder.embed_documents(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.identity.dimensions)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert np.allclose(embedder.embed_documents([text])[0], vector, atol=1e-5)


def test_neighbours_and_order_do_not_change_a_vector(embedder: Embedder) -> None:
    forward = embedder.embed_documents(TEXTS)
    backward = embedder.embed_documents(TEXTS[::-1] + TEXTS[:2])
    assert np.allclose(backward[: len(TEXTS)][::-1], forward, atol=1e-5)


def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed_documents([]).shape == (0, embedder.identity.dimensions)


def test_a_query_finds_the_text_it_shares_words_with(embedder: Embedder) -> None:
    query = embedder.embed_query("the function after a failure")
    assert query.shape == (embedder.identity.dimensions,)
    scores = embedder.embed_documents(TEXTS) @ query
    assert int(scores.argmax()) == 0


def test_a_question_above_the_limit_is_read_up_to_it(embedder: Embedder) -> None:
    question = "which function is tried again after a failure " * 100
    assert np.isclose(np.linalg.norm(embedder.embed_query(question)), 1, atol=1e-5)


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u00a0"])
def test_a_text_without_content_is_refused(embedder: Embedder, text: str) -> None:
    with pytest.raises(ModelError, match=r"Text 1 of 2 .*white space"):
        embedder.embed_documents(["fine", text])
    with pytest.raises(ModelError, match="white space"):
        embedder.embed_query(text)


def test_lone_surrogates_are_embedded(embedder: Embedder) -> None:
    vectors = embedder.embed_documents(["broken \ud800 text", "\udfff cat"])
    assert np.isfinite(vectors).all()


def test_the_identity_is_known_and_readable(embedder: Embedder) -> None:
    identity = embedder.identity
    assert identity.id.endswith(f"-{identity.precision}-{identity.dimensions}-{identity.id[-8:]}")
    assert identity.normalised


def test_engines_of_one_precision_give_one_identity_and_the_same_vectors(
    local: Callable[[str], LocalEmbedder],
) -> None:
    openvino, torch = local("openvino"), local("torch")
    assert openvino.identity == torch.identity
    assert (openvino.engine.name, torch.engine.name) == ("openvino", "torch")
    difference = openvino.embed_documents(TEXTS) - torch.embed_documents(TEXTS)
    assert np.abs(difference).max() <= 1e-5


def test_int8_is_another_model_close_to_the_first(local: Callable[[str], LocalEmbedder]) -> None:
    int8, full = local("int8"), local("openvino")
    assert int8.identity != full.identity
    assert int8.identity.precision == "int8"
    cosines = np.sum(int8.embed_documents(TEXTS) * full.embed_documents(TEXTS), axis=1)
    assert cosines.min() > 0.95
    assert cosines.mean() > 0.985


def test_int8_vectors_do_not_depend_on_the_batch_at_all(
    local: Callable[[str], LocalEmbedder],
) -> None:
    int8 = local("int8")
    alone = np.concatenate([int8.embed_documents([text]) for text in TEXTS])
    assert np.array_equal(int8.embed_documents(TEXTS), alone)


@pytest.mark.parametrize("name", LOCAL)
def test_a_text_at_the_limit_is_read_whole_and_one_above_is_refused(
    local: Callable[[str], LocalEmbedder], model: ModelFolder, name: str
) -> None:
    longest = longest_text(model.tokenizer())
    shorter = longest[: len(longest) * 9 // 10]
    vectors = local(name).embed_documents([longest, shorter])
    assert float(vectors[0] @ vectors[1]) < 0.9999
    with pytest.raises(ModelError, match=r"Text 1 has \d+ tokens.*limit of 256"):
        local(name).embed_documents(["fine", "word " * 255])


def test_a_text_of_which_the_model_sees_nothing_is_refused(
    local: Callable[[str], LocalEmbedder],
) -> None:
    with pytest.raises(ModelError, match="no token"):
        local("openvino").embed_documents(["\u200b\u200d"])
    with pytest.raises(QueryError, match="no token"):
        local("openvino").embed_query("\u200b\u200d")


def test_prefixes_precede_documents_and_queries(
    local: Callable[[str], LocalEmbedder], model: ModelFolder, model_cache: Path
) -> None:
    prefixed = replace(model, query_prefix="query: ", document_prefix="passage: ")
    plain, other = (
        local("int8"),
        LocalEmbedder(prefixed, precision="int8", export_folder=model_cache),
    )
    assert np.array_equal(other.embed_query("cat"), plain.embed_query("query: cat"))
    expected = plain.embed_documents(["passage: cat"])
    assert np.array_equal(other.embed_documents(["cat"]), expected)
    assert other.identity != plain.identity
    assert prefixed.tokenizer().limit == model.tokenizer().limit - 2


@pytest.mark.parametrize("name", ["openvino", "int8"])
def test_an_exported_model_is_used_without_importing_torch_or_telemetry(
    local: Callable[[str], LocalEmbedder], model_cache: Path, name: str
) -> None:
    expected = local(name).embed_documents(["a cat"])
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from include.embedding.local import LocalEmbedder\n"
        "from include.embedding.models import find_model\n"
        f"cache = Path({str(model_cache)!r})\n"
        "model = find_model('all-MiniLM-L6-v2', cache)\n"
        f"embedder = LocalEmbedder(model, export_folder=cache, **{LOCAL[name]!r})\n"
        "vector = embedder.embed_documents(['a cat'])[0]\n"
        "unwanted = 'torch', 'transformers', 'sentence_transformers', 'openvino_telemetry'\n"
        "heavy = [name for name in unwanted if sys.modules.get(name)]\n"
        "print(heavy, *vector.tolist())\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    heavy, _, vector = ran.stdout.partition("] ")
    assert heavy == "["
    assert np.allclose(np.array(vector.split(), dtype=np.float32), expected[0], atol=1e-6)


def test_nothing_is_loaded_before_the_first_text(model: ModelFolder, tmp_path: Path) -> None:
    embedder = LocalEmbedder(model, export_folder=tmp_path / "exports")
    assert embedder.identity.dimensions == 384
    assert not (tmp_path / "exports").exists()


def test_int8_refuses_another_engine(model: ModelFolder, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"RAG_EMBEDDER_ENGINE.*'torch'"):
        LocalEmbedder(model, precision="int8", engine="torch", export_folder=tmp_path)


def figures() -> Comparison:
    return Comparison(1, 3, 0.0, 1.0, 1.0)


def test_an_export_is_made_once_however_many_ask(model: ModelFolder, tmp_path: Path) -> None:
    made = []

    def write(_: ModelFolder, folder: Path) -> Comparison:
        made.append(folder)
        (folder / "model.xml").write_text("whole")
        return figures()

    threads = [
        threading.Thread(target=export_once, args=(model, tmp_path, "openvino", write))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    folder = export_once(model, tmp_path, "openvino", write)
    assert len(made) == 1
    assert (folder / "model.xml").read_text() == "whole"
    assert not list(tmp_path.glob(".export-*"))


def test_an_interrupted_export_leaves_nothing_that_is_used(
    model: ModelFolder, tmp_path: Path
) -> None:
    def interrupted(_: ModelFolder, folder: Path) -> Comparison:
        (folder / "model.xml").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_once(model, tmp_path, "openvino", interrupted)
    folder = export_once(model, tmp_path, "openvino", lambda *_: figures())
    assert not (folder / "model.xml").exists()
    assert not list(tmp_path.glob(".export-*"))


def test_a_refused_export_is_recorded_and_torch_embeds_instead(
    model: ModelFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(_: ModelFolder, folder: Path) -> Comparison:
        (folder / "model.xml").write_text("wrong")
        found = replace(figures(), largest_difference=0.06)
        found.refuse_difference()
        return found

    with pytest.raises(ModelError, match=r"differs from PyTorch by 0\.06"):
        export_once(model, tmp_path, "openvino", wrong)
    embedder = LocalEmbedder(model, engine="openvino", export_folder=tmp_path)
    with caplog.at_level("WARNING", logger="rag"):
        assert embedder.engine.name == "torch"
    assert "PyTorch instead" in caplog.text


def test_a_cache_that_cannot_be_written_names_the_remedy(
    model: ModelFolder, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ModelError, match="RAG_MODEL_CACHE"):
        export_once(model, blocked / "models", "openvino", lambda *_: figures())


@pytest.mark.parametrize(
    ("vectors", "complaint"),
    [
        (np.ones((1, 4)), r"shape \(1, 4\), expected \(2, 4\)"),
        (np.full((2, 4), np.nan), "NaN or infinity"),
        (np.ones((2, 4)), "unit length"),
    ],
)
def test_impossible_vectors_are_refused(vectors: np.ndarray, complaint: str) -> None:
    identity = EmbedderIdentity(model="m", weights="w", dimensions=4)
    with pytest.raises(ModelError, match=complaint):
        checked(vectors.astype(np.float32), 2, identity)


def test_the_fake_fails_when_told_and_remembers_what_it_embedded() -> None:
    fake = FakeEmbedder(fail_after=3)
    fake.embed_documents(["a", "b"])
    with pytest.raises(TransientError):
        fake.embed_documents(["c", "d"])
    assert fake.embedded == ["a", "b"]
    fake.fail_after = None
    fake.embed_documents(["c", "d"])
    assert fake.embedded == ["a", "b", "c", "d"]


def test_a_query_asked_again_at_once_is_not_embedded_again() -> None:
    inner = FakeEmbedder()
    embedder = LastQuery(inner)
    first, again = embedder.embed_query("a b"), embedder.embed_query("a b")
    assert again is first
    assert np.array_equal(first, inner.embed_query("a b"))
    assert not np.array_equal(embedder.embed_query("c"), first)
    embedder.embed_query("a b")
    assert inner.queries == ["a b", "a b", "c", "a b"]
    assert embedder.identity == inner.identity
    assert np.array_equal(embedder.embed_documents(["x"]), inner.embed_documents(["x"]))
