"""Where a run took place: figures mean nothing without it."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.results import Machine
from shortlist_kernels import available_cores, isa_info

PACKAGES = ("numpy", "scipy", "torch", "faiss-cpu", "usearch", "hnswlib", "implicit", "pyversity", "ranx")


def facts() -> Machine:
    """What is true here and now."""
    return Machine(
        cpu=_processor(),
        cores=available_cores(),
        system=f"{platform.system()} {platform.machine()}",
        load=os.getloadavg()[0],
        isa=str(isa_info()["isa"]),
        isas=list(isa_info()["available"]),
        versions={"python": platform.python_version(), **_versions()},
    )


def _processor() -> str:
    """The name that Linux gives; where a virtual machine hides it, family and model tell the generation."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor()
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "model name" not in fields:
        return platform.processor()
    return f"{fields['model name']} (family {fields.get('cpu family')}, model {fields.get('model')})"


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
