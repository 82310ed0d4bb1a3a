"""The networks as graphs, tidied for those who make other networks of them."""

import tempfile
from pathlib import Path

import onnx
import onnxruntime


def folded(model: Path) -> onnx.ModelProto:
    """The network with all that is constant worked out, as ONNX Runtime does it."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # weights in bytes become floating point
    with tempfile.TemporaryDirectory(prefix="bibwatch-graph-") as folder:
        copy = Path(folder, model.name)
        options.optimized_model_filepath = str(copy)
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return onnx.load(copy)
