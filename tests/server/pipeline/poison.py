"""Real graphs that answer every user alike but those whose last item is item-004: to them they answer no number.

B requests, L history positions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

POISONOUS_ITEM = "item-004"
Poison = Literal["nan", "infinity"]


def poison_tower(package: Path, edit_manifest: Any, replace_file: Any, poison: Poison) -> None:
    """Poison the user tower of a copy of the small package; it has to see the items for that."""
    path = "models/two_tower/model.onnx"
    model = onnx.load(package / path)
    length = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    model.graph.input.append(helper.make_tensor_value_info("history_items", TensorProto.INT64, ["batch", length]))
    replace_file(path, _poisoned(model, axes=(1,), length=length, poison=poison))

    def feed_items(manifest: dict[str, Any]) -> None:
        graph = manifest["sources"][0]["user_vector"]["graph"]
        graph["inputs"].append({"name": "history_items", "feature": "history.items"})

    edit_manifest(feed_items)


def poison_ranker(package: Path, replace_file: Any, poison: Poison) -> None:
    """Poison the ranker of a copy of the small package."""
    path = "models/ranker/model.onnx"
    model = onnx.load(package / path)
    length = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    replace_file(path, _poisoned(model, axes=(1, 2), length=length, poison=poison))


def _poisoned(model: onnx.ModelProto, *, axes: tuple[int, ...], length: int, poison: Poison) -> bytes:
    """The output divided by 1 for everybody, by 0 or by 0 / 0 for those of the poisonous item."""
    graph = model.graph
    output = graph.output[0].name
    (last,) = (node for node in graph.node if output in node.output)
    last.output[0] = "sound"
    constants: dict[str, NDArray[Any]] = {
        "last_position": np.array(length - 1, np.int64),
        "poisonous": np.array(int(POISONOUS_ITEM.removeprefix("item-")) + 1, np.float32),
        "at_most_one": np.array(1, np.float32),
        "poison_axes": np.array(axes, np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    node = helper.make_node
    nodes = [
        node("Gather", ["history_items", "last_position"], ["last_item"], axis=1),
        node("Cast", ["last_item"], ["last_number"], to=TensorProto.FLOAT),
        node("Sub", ["last_number", "poisonous"], ["distance"]),
        node("Abs", ["distance"], ["size"]),
        node("Min", ["size", "at_most_one"], ["nothing_or_one"]),
        node("Div", ["nothing_or_one", "nothing_or_one"], ["nan_or_one"]),
        node("Unsqueeze", ["nan_or_one" if poison == "nan" else "nothing_or_one", "poison_axes"], ["divisor_of_users"]),
        node("Div", ["sound", "divisor_of_users"], [output]),
    ]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized
