"""The cores that a process may use (cores.c)."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shortlist_kernels.cpu import _cpu

NO_QUOTA = 2**63 - 1


def write_tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "ascii")


V1 = "3:cpuset:/\n2:cpuacct,cpu:/pod/app\n1:name=systemd:/other\n"
TOP = "sys/fs/cgroup"


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        pytest.param(None, {}, NO_QUOTA, id="no cgroups"),
        pytest.param("", {f"{TOP}/cpu.max": "100000 100000\n"}, NO_QUOTA, id="no line"),
        pytest.param("nonsense\n1:cpu\n", {f"{TOP}/cpu.max": "100000 100000\n"}, NO_QUOTA, id="broken lines"),
        pytest.param("0::/\n", {}, NO_QUOTA, id="no file"),
        pytest.param("0::/\n", {f"{TOP}/cpu.max": "max 100000\n"}, NO_QUOTA, id="max"),
        pytest.param("0::/\n", {f"{TOP}/cpu.max": ""}, NO_QUOTA, id="empty file"),
        pytest.param("0::/\n", {f"{TOP}/cpu.max": "100000 0\n"}, NO_QUOTA, id="no period"),
        pytest.param("0::/\n", {f"{TOP}/cpu.max": f"{NO_QUOTA} 1\n"}, NO_QUOTA, id="huge"),
        pytest.param("0::/\n", {f"{TOP}/cpu.max": "200000 100000\n"}, 2, id="whole"),
        pytest.param("0::/\n", {f"{TOP}/cpu.max": "250000 100000\n"}, 3, id="rounded up"),
        pytest.param("0::/\n", {f"{TOP}/cpu.max": "1000 100000\n"}, 1, id="a hundredth"),
        pytest.param("0::/a/b", {f"{TOP}/a/b/cpu.max": "400000 100000\n"}, 4, id="own group"),
        pytest.param(
            "0::/a/b\n",
            {f"{TOP}/a/b/cpu.max": "400000 100000\n", f"{TOP}/a/cpu.max": "150000 50000\n"},
            3,
            id="parent is lower",
        ),
        pytest.param(
            "0::/a/b\n",
            {f"{TOP}/a/b/cpu.max": "200000 100000\n", f"{TOP}/cpu.max": "900000 100000\n"},
            2,
            id="parent is higher",
        ),
        pytest.param("0::/gone/b\n", {f"{TOP}/cpu.max": "600000 100000\n"}, 6, id="only the top is visible"),
        pytest.param("0::/../a\n", {f"{TOP}/cpu.max": "600000 100000\n"}, 6, id="outside of the namespace"),
        pytest.param("0::/a\n", {f"{TOP}/b/cpu.max": "100000 100000\n"}, NO_QUOTA, id="of another group"),
        pytest.param(
            V1,
            {
                f"{TOP}/cpu/pod/app/cpu.cfs_quota_us": "350000\n",
                f"{TOP}/cpu/pod/app/cpu.cfs_period_us": "100000\n",
            },
            4,
            id="version 1",
        ),
        pytest.param(
            V1,
            {
                f"{TOP}/cpu/pod/app/cpu.cfs_quota_us": "-1\n",
                f"{TOP}/cpu/pod/app/cpu.cfs_period_us": "100000\n",
                f"{TOP}/cpu/pod/cpu.cfs_quota_us": "50000\n",
                f"{TOP}/cpu/pod/cpu.cfs_period_us": "10000\n",
            },
            5,
            id="version 1, parent",
        ),
        pytest.param(
            V1.replace("cpuacct,cpu", "cpuacct"),
            {f"{TOP}/cpu/pod/app/cpu.cfs_quota_us": "50000\n", f"{TOP}/cpu/pod/app/cpu.cfs_period_us": "10000\n"},
            NO_QUOTA,
            id="version 1, of another controller",
        ),
        pytest.param(
            V1 + "0::/app\n",
            {
                f"{TOP}/app/cpu.max": "300000 100000\n",
                f"{TOP}/cpu/pod/app/cpu.cfs_quota_us": "20000\n",
                f"{TOP}/cpu/pod/app/cpu.cfs_period_us": "10000\n",
            },
            2,
            id="both versions",
        ),
        pytest.param("0::/" + "x" * 9000 + "\n", {f"{TOP}/cpu.max": "100000 100000\n"}, 1, id="an endless path"),
    ],
)
def test_quota_is_the_lowest_of_the_group_and_those_above(
    groups: str | None, files: dict[str, str], cores: int, tmp_path: Path
) -> None:
    write_tree(tmp_path, files | ({} if groups is None else {"proc/self/cgroup": groups}))
    assert _cpu.quota_cores(os.fsencode(tmp_path)) == cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity masks")
def test_available_cores_follow_the_mask_of_the_thread_and_the_quota() -> None:
    def pinned() -> int:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        return _cpu.available_cores()

    assert _cpu.available_cores() == max(1, min(len(os.sched_getaffinity(0)), _cpu.quota_cores(b"")))
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(pinned).result() == 1
