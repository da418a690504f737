"""Exact search on a GPU beside PyTorch and cuBLAS, in one run on the same data; says so where there is no GPU.

    cd kernels && ../.venv/bin/python -m benchmarks.cuda_search [--case 1Mx128] [--rounds 7]

Queries and results stay on the device. torch multiplies in float32 and takes its topk; "cuBLAS" is that product alone,
which any search by float32 products in tiles has to do. They take turns; times are medians, and end when the device has
done its work.
"""

import argparse
import importlib.util
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks import ranking
from benchmarks.agreement import agreement
from benchmarks.cases import CASES, Case, unit_rows
from benchmarks.race import OURS, Race, run
from benchmarks.timing import Work


def why_not() -> str | None:
    """What is missing for a run, or None."""
    for name, extra in (("numba.cuda", "pip install 'shortlist[cuda]'"), ("torch", "a build of PyTorch with CUDA")):
        if not importlib.util.find_spec(name.partition(".")[0]):
            return f"{name} is not installed: {extra}"
    from shortlist_kernels import cuda

    torch: Any = importlib.import_module("torch")
    return cuda.why_unavailable() or (None if torch.cuda.is_available() else "PyTorch was built without CUDA")


def races(case: Case) -> Iterator[Race]:
    """One race per number of queries."""
    from shortlist_kernels import VectorIndex
    from shortlist_kernels.cuda import DeviceIndex

    torch: Any = importlib.import_module("torch")
    torch.set_float32_matmul_precision("highest")
    vectors_ND, queries_QD = unit_rows(case.num_items, case.dim, 0), unit_rows(max(case.queries_at_once), case.dim, 1)
    rows = torch.from_numpy(vectors_ND).cuda()
    index = DeviceIndex(np.arange(case.num_items), rows)
    on_cpu = VectorIndex(case.dim)
    on_cpu.add(np.arange(case.num_items), vectors_ND)
    for num_queries in case.queries_at_once:
        queries = torch.from_numpy(queries_QD[:num_queries]).cuda()

        def ours(queries: Any = queries) -> Any:
            ids = index.search(queries, case.k)[1]
            torch.cuda.synchronize()
            return ids

        def theirs(queries: Any = queries) -> Any:
            ids = torch.topk(queries @ rows.T, case.k).indices
            torch.cuda.synchronize()
            return ids

        def product(queries: Any = queries) -> None:
            queries @ rows.T
            torch.cuda.synchronize()

        found = ours().copy_to_host()
        exact = on_cpu.search(queries_QD[:num_queries], case.k)[1]
        works: dict[str, Work] = {OURS: ours, "torch": theirs, "cuBLAS, no selection": product}
        agrees = agreement(vectors_ND, queries_QD[:num_queries], found, theirs().cpu().numpy())
        yield Race(
            title=f"{case.name}, {num_queries} queries, k = {case.k}",
            works=works,
            agreement={OURS: float((found == exact).mean()), "torch": agrees, "cuBLAS, no selection": 0.0},
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=[case.name for case in CASES], help="catalogues; all unless given")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each")
    options = parser.parse_args()
    reason = why_not()
    if reason:
        print(f"nothing measured on a GPU: {reason}")
        return 0
    console = Console()
    for case in CASES:
        if not options.case or case.name in options.case:
            for race in races(case):
                ranking.print_finish(console, run(race, options.rounds, lambda text: None))
    return 0


if __name__ == "__main__":
    sys.exit(main())
