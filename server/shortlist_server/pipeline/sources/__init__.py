"""Where candidates come from. Each source is asked twice: for its best items, and for its score of given ones.

source.py           the interface, and the builder that reads the manifest
two_tower.py        user tower on ONNX, exact top-k over item vectors
item_neighbours.py  the neighbours of what the user touched, older items decayed
popular.py          the popularity column
"""

from shortlist_server.pipeline.sources.source import Source, build_sources

__all__ = ["Source", "build_sources"]
