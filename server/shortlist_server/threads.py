"""How many threads a process of the server computes with."""

from __future__ import annotations

from shortlist_kernels import available_cores
from shortlist_server.config import Settings


def threads_of(settings: Settings) -> int:
    """Threads for one scan of the kernels and for one run of onnxruntime: all workers together fill the cores once."""
    return settings.threads or max(1, available_cores() // settings.workers)
