"""Which device, and how many threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ragstone.encoders.devices import choose_device, cpu_quota, limit_threads
from ragstone.errors import InvalidArgument

PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_auto_takes_a_gpu_when_there_is_one() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_processor_can_be_named() -> None:
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["abacus", "", "meta", "cuda:x"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"encoder\.device"):
        choose_device(name)


def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="a GPU that this machine has"):
        choose_device(f"cuda:{torch.cuda.device_count()}")


def test_without_a_quota_the_affinity_counts(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) == PROCESSORS
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert cpu_quota(tmp_path) == PROCESSORS


@pytest.mark.parametrize(("limit", "expected"), [(100_000, 1), (20_000, 1), (10**9, PROCESSORS)])
def test_both_versions_of_the_control_group_are_read(
    tmp_path: Path, limit: int, expected: int
) -> None:
    (tmp_path / "cpu.max").write_text(f"{limit} 100000\n")
    assert cpu_quota(tmp_path) == expected
    old = tmp_path / "old" / "cpu"
    old.mkdir(parents=True)
    (old / "cpu.cfs_quota_us").write_text(f"{limit}\n")
    (old / "cpu.cfs_period_us").write_text("100000\n")
    assert cpu_quota(tmp_path / "old") == expected
    (old / "cpu.cfs_quota_us").write_text("-1\n")
    assert cpu_quota(tmp_path / "old") == PROCESSORS


@pytest.mark.usefixtures("threads")
def test_threads_are_lowered_to_the_quota_and_never_raised(tmp_path: Path) -> None:
    torch.set_num_threads(2)
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    assert limit_threads(tmp_path) == 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert limit_threads(tmp_path) == 1
