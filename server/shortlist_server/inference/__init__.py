"""ONNX models on onnxruntime, run so that a row's answer never depends on who shares its batch.

spec.py          ModelSpec: the tensors that a model promises
session.py       OnnxModel: one graph, checked against its spec, run in one fixed shape
batch_check.py   what fills a fixed shape, and the proof at load that rows do not disturb each other
"""

from shortlist_server.inference.session import OnnxModel

__all__ = ["OnnxModel"]
