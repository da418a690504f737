"""Where each file of a package lies, by the names of its manifest. Names are checked before they become paths."""

import re
from typing import Final

SCHEMA_VERSION: Final = 2
MANIFEST: Final = "manifest.json"
GOLDEN: Final = "golden.json"

ITEM_IDS: Final = "items/ids"
TITLES: Final = "items/titles"
AVAILABLE: Final = "items/available.npy"  # bool (N,)
NUMERIC: Final = "items/numeric.npy"  # float64 (attributes, N), NaN where unknown
CATEGORY_NAMES: Final = "items/categories/names"
CATEGORIES: Final = "items/categories"  # compressed rows, items x categories, without data

RANKER: Final = "ranker"
"""The name under which the graph of the ranker lies."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
"""Names of parts of a package: they become file names, metric labels and fields of messages."""


def is_plain(path: str) -> bool:
    """Whether a path stays inside the package: relative, "/" between its parts, each a printable name."""
    return path.isprintable() and "\\" not in path and not {"", ".", ".."} & set(path.split("/"))


def scores_file(source: str) -> str:
    """float32 (N,): the scores of a source of kind item_scores."""
    return f"scores/{source}.npy"


def matrix_folder(source: str) -> str:
    """The compressed rows (N, N) of a source of kind item_matrix."""
    return f"matrices/{source}"


def interactions_folder(source: str) -> str:
    """The compressed rows (users, N) of a source of kind user_neighbours."""
    return f"interactions/{source}"


def interactions_by_item_folder(source: str) -> str:
    """The same interactions as compressed rows (N, users)."""
    return f"interactions/{source}/by_item"


def vectors_file(space: str) -> str:
    """The VectorIndex of a space; the id of a vector is the row of its item."""
    return f"vectors/{space}.index"


def graph_file(name: str) -> str:
    """The ONNX graph of a source, or of the ranker under the name RANKER."""
    return f"models/{name}/model.onnx"


def sparse_files(folder: str) -> tuple[str, str, str]:
    """Indptr int64, indices int32 and data float32 of a compressed-rows matrix in this folder."""
    return f"{folder}/indptr.npy", f"{folder}/indices.npy", f"{folder}/data.npy"


def text_files(column: str) -> tuple[str, str]:
    """Offsets int64 (n + 1) and bytes uint8 of a column of text."""
    return f"{column}.offsets.npy", f"{column}.bytes.npy"


def item_files() -> tuple[str, ...]:
    """The files that every catalogue has."""
    indptr, indices, _ = sparse_files(CATEGORIES)
    texts = (file for column in (ITEM_IDS, TITLES, CATEGORY_NAMES) for file in text_files(column))
    return (*texts, AVAILABLE, NUMERIC, indptr, indices)
