"""Which device a model runs on, and how many threads it may keep busy."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ragstone.errors import InvalidArgument

_CGROUP = Path("/sys/fs/cgroup")


def choose_device(name: str) -> torch.device:
    """Return the device called `name`; 'auto' takes a GPU when there is one.

    Raises
    ------
    InvalidArgument
        The name is no device, or this machine has no such GPU.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    expected = "'auto', 'cpu', 'cuda' or 'cuda:N'"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InvalidArgument("encoder.device", name, expected) from error
    if device.type not in {"cpu", "cuda"}:
        raise InvalidArgument("encoder.device", name, expected)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InvalidArgument("encoder.device", name, "a GPU that this machine has, or 'cpu'")
    return device


def limit_threads(root: Path = _CGROUP) -> int:
    """Lower torch's threads to the processors this process may really use; return their number.

    In a container torch counts the machine's cores, and threads beyond the quota only wait for
    each other. A smaller number, set by `OMP_NUM_THREADS` or the caller, is left alone.
    """
    allowed = cpu_quota(root)
    if torch.get_num_threads() > allowed:
        torch.set_num_threads(allowed)
    return torch.get_num_threads()


def cpu_quota(root: Path = _CGROUP) -> int:
    """Return the processors of this process: its affinity, cut by the control group's quota.

    Parameters
    ----------
    root
        Where the control group is mounted; version 2 (`cpu.max`) and 1 (`cpu/cpu.cfs_*`) are read.
    """
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        count = os.cpu_count() or 1
    quota = _quota(root)
    return count if quota is None else max(1, min(count, round(quota)))


def _quota(root: Path) -> float | None:
    """Processors per period, or None when there is no limit."""
    try:
        limit, period = (root / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit = (root / "cpu" / "cpu.cfs_quota_us").read_text()
        period = (root / "cpu" / "cpu.cfs_period_us").read_text()
        return int(limit) / int(period) if int(limit) > 0 else None
    except (OSError, ValueError):
        return None
