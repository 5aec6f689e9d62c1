"""A sentence-transformers module as an OpenVINO model.

OpenVINO's PyTorch frontend is called directly: `openvino.convert_model` does the same, and reports
the conversion to the vendor over the network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from include.embedding.openvino_engine import silent_openvino
from include.embedding.torch_engine import quiet
from include.errors import ModelError


def convert(module: Any, file: Path) -> None:
    """Writes `input_ids, attention_mask -> embedding` in full precision, all shapes dynamic.

    The trace is taken on a padded batch, so that masking is part of it. Raises ModelError when
    the frontend cannot express the model.
    """
    openvino = silent_openvino()

    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    class Pooled(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            return self.inner.forward(features)["sentence_embedding"]

    ids = torch.arange(1, 33).reshape(2, 16)
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    try:
        with torch.no_grad(), quiet():
            example = {"input_ids": ids, "attention_mask": mask}
            decoder = TorchScriptPythonDecoder(Pooled().eval(), example_input=example)
        frontend = FrontEndManager().load_by_framework("pytorch")
        converted = frontend.convert(frontend.load(decoder))
    except Exception as error:  # the frontend raises bare and unrelated types for any failure
        raise ModelError(
            f"OpenVINO cannot convert this model ({type(error).__name__}: {str(error)[:200]})."
        ) from error
    openvino.save_model(converted, str(file), compress_to_fp16=False)
