"""What the assembler makes of each CUDA kernel: registers, shared memory, spills. Needs no GPU.

    cd kernels && ../.venv/bin/python -m benchmarks.cuda_report

Compiles every kernel in each of its forms for each capability that the package is tested for. The assembler is that of
the wheel nvidia-cuda-nvcc, or else the `ptxas` that the shell finds; without one, kernels are compiled only.
"""

import importlib
import importlib.util
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

REGISTERS = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")
SPILLS = re.compile(r"(\d+) bytes spill (?:stores|loads)")
STACK = re.compile(r"(\d+) bytes stack frame")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """One kernel for one capability; figures are None where there is no assembler."""

    kernel: str
    form: str
    signature: str
    capability: str
    fuses_float64: bool  # whether it multiplies and adds float64 with one rounding
    registers: int | None
    shared_bytes: int | None
    stack_bytes: int | None
    spilled_bytes: int | None


def assembler() -> str | None:
    """The path of ptxas. That of the wheel comes first, as it knows what its compiler writes."""
    spec = importlib.util.find_spec("nvidia")
    homes = [Path(home) for home in (spec.submodule_search_locations or [] if spec else [])]
    found = [str(path) for home in homes for path in sorted(home.glob("*/bin/ptxas"))]
    return found[0] if found else shutil.which("ptxas")


def assemble_all() -> Iterator[Assembled]:
    """Compiles and assembles everything; raises what the compiler raises, or CalledProcessError of the assembler."""
    from shortlist_kernels.cuda import backend, kernels

    for module in pkgutil.iter_modules(kernels.__path__):
        importlib.import_module(f"{kernels.__name__}.{module.name}")
    ptxas = assembler()
    for name, kernel in backend.KERNELS.items():
        for form in backend.forms_of(kernel):
            for signature in kernel.signatures:
                for capability in backend.CAPABILITIES:
                    text = kernel.ptx(form, signature, capability)
                    architecture = "sm_{}{}".format(*capability)
                    log = _assembled(ptxas, text, architecture) if ptxas else None
                    yield Assembled(
                        kernel=name,
                        form=form.name if kernel.uses_forms else "any",
                        signature=signature,
                        capability=architecture,
                        fuses_float64="fma.rn.f64" in text,
                        registers=_sum(REGISTERS, log),
                        shared_bytes=_sum(SHARED, log),
                        stack_bytes=_sum(STACK, log),
                        spilled_bytes=_sum(SPILLS, log),
                    )


def _assembled(ptxas: str, text: str, architecture: str) -> str:
    command = [ptxas, "--verbose", f"--gpu-name={architecture}", "--output-file=/dev/null", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stderr


def _sum(pattern: re.Pattern[str], log: str | None) -> int | None:
    return None if log is None else sum(int(number) for number in pattern.findall(log))


def main() -> int:
    console = Console(width=None if sys.stdout.isatty() else 100)
    table = Table(title=f"CUDA kernels, assembled by {assembler() or 'nothing: no ptxas'}")
    for heading in ("kernel", "form", "for"):
        table.add_column(heading)
    for heading in ("registers", "shared bytes", "stack bytes", "spilled bytes"):
        table.add_column(heading, justify="right")
    for one in assemble_all():
        figures = (one.registers, one.shared_bytes, one.stack_bytes, one.spilled_bytes)
        table.add_row(one.kernel, one.form, one.capability, *("" if one is None else str(one) for one in figures))
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
