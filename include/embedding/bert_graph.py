"""A BERT encoder as a small int8 ONNX graph, built from the weights, without PyTorch.

Dynamic quantisation: weights are signed, symmetric, one scale per output column, and use 7 of
their 8 bits, so that the multiply-add of CPUs without VNNI cannot overflow; activations are
unsigned with the range they have in the run. Operators of the domain com.microsoft (ONNX Runtime,
ContribOperators.md) fuse attention and GELU. One text per run: no mask.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from include.embedding import model_files
from include.errors import ModelError

_MICROSOFT = "com.microsoft"
_LARGEST_WEIGHT = 64
_SUPPORTED = {
    "model_type": ("bert",),
    "hidden_act": ("gelu",),
    "position_embedding_type": ("absolute", None),
}
_MODULES = ("Transformer", "Pooling")
Array = NDArray[Any]


def write_int8(folder: Path, file: Path) -> None:
    """Writes the model in `folder` as int8 ONNX: `input_ids` int32 (1, n) to `embedding` (1, d).

    The embedding is pooled and of unit length. Raises ModelError for another architecture.
    """
    from safetensors.numpy import load_file

    layout = model_files.read_layout(folder)
    config = model_files.read_json(layout.transformer / "config.json")
    pooling = _supported(folder, layout, config)
    tensors = load_file(layout.transformer / "model.safetensors")
    weights = {name.removeprefix("bert."): tensor.astype("f4") for name, tensor in tensors.items()}
    onnx.save(_Encoder(weights, config).build(pooling), file)


def _supported(folder: Path, layout: model_files.Layout, config: Mapping[str, Any]) -> str:
    """The pooling, mean or cls, of a model that this graph can express."""
    pooling = model_files.pooling_modes(layout.settings[1])
    known = all(config.get(key) in values for key, values in _SUPPORTED.items())
    simple = layout.kinds in (_MODULES, (*_MODULES, "Normalize"))
    one_file = (layout.transformer / "model.safetensors").is_file()
    if not (known and simple and one_file and pooling in (("mean",), ("cls",))):
        raise ModelError(
            f"int8 is offered for BERT encoders with mean or cls pooling; {folder} is "
            f"{config.get('model_type')!r} with modules {', '.join(layout.kinds)} and pooling "
            f"{', '.join(pooling)}. Set RAG_EMBEDDER_PRECISION=fp32."
        )
    return pooling[0]


class _Encoder:
    def __init__(self, weights: Mapping[str, Array], config: Mapping[str, Any]) -> None:
        self._weights = weights
        self._config = config
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def build(self, pooling: str) -> Any:
        states = self._embeddings()
        for layer in range(self._config["num_hidden_layers"]):
            states = self._layer(states, f"encoder.layer.{layer}.")
        self._pool(states, pooling)
        graph = helper.make_graph(
            self._nodes,
            "encoder",
            [helper.make_tensor_value_info("input_ids", TensorProto.INT32, [1, "tokens"])],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, None])],
            self._constants,
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(_MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)

    def _embeddings(self) -> str:
        names = ("word_embeddings.weight", "LayerNorm.weight", "LayerNorm.bias")
        words, scale, shift = (self._constant(f"embeddings.{name}") for name in names)
        # Every text is of type 0, so its type embedding is part of the position's.
        positions = (
            self._weights["embeddings.position_embeddings.weight"]
            + self._weights["embeddings.token_type_embeddings.weight"][0]
        )
        inputs = ["input_ids", "", words, self._keep("positions", positions), "", scale, shift]
        outputs = ["embedded", "unused"]
        epsilon = float(self._config["layer_norm_eps"])
        self._node("EmbedLayerNormalization", inputs, outputs, epsilon=epsilon)
        return outputs[0]

    def _layer(self, states: str, at: str) -> str:
        attended = self._linear(self._attention(states, at), f"{at}attention.output.dense")
        middle = self._residual_norm(attended, states, f"{at}attention.output.LayerNorm")
        wide = self._linear(middle, f"{at}intermediate.dense", biased=False)
        bias = self._constant(f"{at}intermediate.dense.bias")
        self._node("BiasGelu", [wide, bias], [f"{at}gelu"])
        narrow = self._linear(f"{at}gelu", f"{at}output.dense")
        return self._residual_norm(narrow, middle, f"{at}output.LayerNorm")

    def _attention(self, states: str, at: str) -> str:
        parts = [f"{at}attention.self.{part}" for part in ("query", "key", "value")]
        joined = np.concatenate([self._weights[f"{part}.weight"] for part in parts]).T
        bias = np.concatenate([self._weights[f"{part}.bias"] for part in parts])
        weight, scale = self._quantised(f"{at}qkv", joined)
        zero = self._keep(f"{at}qkv.zero", np.zeros(len(bias), dtype=np.int8))
        lowered, step, middle = f"{at}states", f"{at}states.scale", f"{at}states.zero"
        self._node("DynamicQuantizeLinear", [states], [lowered, step, middle], domain="")
        self._node(
            "QAttention",
            [lowered, weight, self._keep(f"{at}qkv.bias", bias), step, scale, "", middle, zero],
            [f"{at}attended"],
            num_heads=self._config["num_attention_heads"],
        )
        return f"{at}attended"

    def _linear(self, states: str, name: str, *, biased: bool = True) -> str:
        weight, scale = self._quantised(name, self._weights[f"{name}.weight"].T)
        inputs = [states, weight, scale, "", self._constant(f"{name}.bias") if biased else ""]
        self._node("DynamicQuantizeMatMul", inputs, [f"{name}.out"])
        return f"{name}.out"

    def _residual_norm(self, states: str, residual: str, name: str) -> str:
        """The layer norm of a sum, in elementary steps.

        ONNX Runtime's fused operators do it one number at a time, in a fifth of the whole run.
        """
        epsilon = self._keep("epsilon", np.float32(self._config["layer_norm_eps"]))
        total = self._step("Add", states, residual, name=f"{name}.total")
        mean = self._step("ReduceMean", total, name=f"{name}.mean", axes=[-1])
        centred = self._step("Sub", total, mean, name=f"{name}.centred")
        squares = self._step("Mul", centred, centred, name=f"{name}.squares")
        variance = self._step("ReduceMean", squares, name=f"{name}.variance", axes=[-1])
        padded = self._step("Add", variance, epsilon, name=f"{name}.padded")
        deviation = self._step("Sqrt", padded, name=f"{name}.deviation")
        normal = self._step("Div", centred, deviation, name=f"{name}.normal")
        scaled = self._step("Mul", normal, self._constant(f"{name}.weight"), name=f"{name}.scaled")
        return self._step("Add", scaled, self._constant(f"{name}.bias"), name=f"{name}.out")

    def _pool(self, states: str, pooling: str) -> None:
        if pooling == "mean":
            self._step("ReduceMean", states, name="pooled", axes=[1], keepdims=0)
        else:
            self._step("Gather", states, self._keep("first", np.int64(0)), name="pooled", axis=1)
        self._step("LpNormalization", "pooled", name="embedding", axis=1, p=2)

    def _quantised(self, name: str, weight: Array) -> tuple[str, str]:
        largest = np.abs(weight).max(axis=0)
        scale = np.float32(np.maximum(largest, math.ulp(1.0)) / _LARGEST_WEIGHT)
        lowered = np.rint(weight / scale).astype(np.int8)
        return self._keep(f"{name}.int8", lowered), self._keep(f"{name}.scale", scale)

    def _constant(self, name: str) -> str:
        return self._keep(name, self._weights[name])

    def _keep(self, name: str, value: Array | np.generic) -> str:
        if all(constant.name != name for constant in self._constants):
            array = np.ascontiguousarray(value) if value.ndim else np.asarray(value)
            self._constants.append(numpy_helper.from_array(array, name))
        return name

    def _node(
        self,
        kind: str,
        inputs: list[str],
        outputs: list[str],
        domain: str = _MICROSOFT,
        **options: Any,
    ) -> None:
        self._nodes.append(helper.make_node(kind, inputs, outputs, domain=domain, **options))

    def _step(self, kind: str, *inputs: str, name: str, **options: Any) -> str:
        self._node(kind, list(inputs), [name], domain="", **options)
        return name
