"""Shared memory of a running daemon: initial size, growth, limit, and arrays that a callable keeps."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import Mark
from tests.support.sandbox.logs import wait_logged
from tests.support.traffic.clients import PROTOCOLS, attempt, infer, texts

MEMORY = MODELS / "memory.py"
MIB = 1 << 20
SMALL_SHM = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"', "sh"]


@pytest.fixture(scope="module")
def limited() -> Iterator[RunningHost]:
    with run_host(f"{MEMORY}:echo", options=["--shm-max=32MiB"]) as running:
        yield running


def numbers(size: int) -> NDArray[np.uint8]:
    """``size`` bytes with a long period that is not a multiple of the page size."""
    return np.resize(np.arange(251, dtype=np.uint8), (1, size))


def segments(host: RunningHost) -> int:
    """Bytes of all segments, from the host's descriptors."""
    return sum(segment_sizes(host))


def segment_sizes(host: RunningHost) -> list[int]:
    sizes = map(segment_bytes, Path(f"/proc/{host.process.pid}/fd").iterdir())
    return [size for size in sizes if size]


def segment_bytes(descriptor: Path) -> int:
    try:
        return descriptor.stat().st_size if "memfd:pytriton-segment" in os.readlink(descriptor) else 0
    except FileNotFoundError:
        return 0  # closed meanwhile


def test_16_mib_at_ready_and_growth_by_one_large_request() -> None:
    with run_host(f"{MEMORY}:echo") as host:
        assert segments(host) == 16 * MIB
        wait_logged(host, "model echo version 1: serving; shared memory 16.0 MiB for 1 worker")
        assert infer(host, "grpc", "echo", {"x": numbers(48 * MIB)})["y"].tobytes() == numbers(48 * MIB).tobytes()
        growth = re.compile(r"model echo: shared memory grows from ([\d.]+) MiB to ([\d.]+) MiB for a batch of (.*)\n")
        wait_until(lambda: len(growth.findall(host.log)) == 2, what="it has grown in both directions")
        grown, size = growth.findall(host.log), segments(host)
        assert [(start, needed) for start, _, needed in grown] == [("16.0", "48.0 MiB"), (grown[0][1], "48.0 MiB")]
        assert size == round(float(grown[-1][1]) * MIB)
        assert infer(host, "http", "echo", {"x": numbers(48 * MIB)})["y"].tobytes() == numbers(48 * MIB).tobytes()
        assert segments(host) == size
        assert host.stop() == 0
        assert growth.findall(host.log) == grown
        assert host.log.count("model echo") == 3, "serving, and the growth in both directions"


def counted(host: RunningHost) -> set[int]:
    """The inodes of all segments, from the host's descriptors."""
    return {each.stat().st_ino for each in Path(f"/proc/{host.process.pid}/fd").iterdir() if segment_bytes(each)}


def mapped(pid: int) -> set[int]:
    """The inodes of all segments that the process maps."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {int(line.split()[4]) for line in lines if "memfd:pytriton-segment" in line}


@pytest.mark.parametrize("model", ["doubled", "Awaited"])
def test_a_worker_frees_each_segment_that_a_larger_one_replaces(model: str) -> None:
    """Its first ones too, which come with the channel. Seen red with an offer that keeps its segment."""
    mark = Mark()
    with run_host(f"{MODELS / 'forms.py'}:{model}", env=mark.env) as host:
        (worker,) = mark.workers()
        for size in (4 * MIB, 16 * MIB):
            before = counted(host)
            assert infer(host, "grpc", model, {"x": np.ones((1, size), np.float32)})["y"].size == size
            assert len(before - counted(host)) == 2, "larger ones replace a request segment and a response segment"
            wait_until(lambda: mapped(worker) <= counted(host), what="the worker maps only what the daemon counts")


def test_16_mib_are_shared_by_four_workers() -> None:
    with run_host(f"{MEMORY}:echo", options=["--workers=4"]) as host:
        wait_logged(host, "shared memory 16.0 MiB for 4 workers")
        wait_until(lambda: len(segment_sizes(host)) == 8, what="all four workers have both of their segments")
        assert segments(host) == 16 * MIB


@pytest.fixture(scope="module")
def small() -> Iterator[RunningHost]:
    with run_host(f"{MEMORY}:echo", prefix=SMALL_SHM) as running:
        mounts = Path(f"/proc/{running.process.pid}/mounts").read_text()
        assert re.search(r"^tmpfs /dev/shm tmpfs \S*\bsize=65536k", mounts, re.MULTILINE)
        yield running


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("size", [1, 48, 64, 256])
def test_large_tensors_with_a_small_dev_shm(small: RunningHost, protocol: str, size: int) -> None:
    sent = numbers(size * MIB)
    assert np.array_equal(infer(small, protocol, "echo", {"x": sent})["y"], sent)
    assert os.listdir(f"/proc/{small.process.pid}/root/dev/shm") == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_past_the_maximum_that_request_fails_and_the_next_works(limited: RunningHost, protocol: str) -> None:
    refused = attempt(limited, protocol, "echo", {"x": numbers(64 * MIB)})
    assert refused.status in ("503", "StatusCode.UNAVAILABLE")
    assert re.search(
        r"model echo: a batch needs 64\.0 MiB of shared memory .* beside the \d+\.\d MiB in use", refused.error
    )
    assert "the limit of the model is 32.0 MiB; raise --shm-max or send less at once" in refused.error
    wait_logged(limited, refused.error)
    assert infer(limited, protocol, "echo", {"x": numbers(1000)})["y"].tobytes() == numbers(1000).tobytes()
    assert segments(limited) <= 32 * MIB


def test_arrays_that_a_callable_keeps_stay_as_they_were() -> None:
    with run_host(f"{MEMORY}:keeper") as host:
        for turn in range(40):
            x = np.full((1, 1000), turn, np.int64)
            answer = infer(host, "grpc", "keeper", {"x": x, "names": texts(str(turn) * 9, "end")})
            assert answer["kept"].item() == 2 * (turn + 1)
            assert answer["changed"].item() == 0
            assert not answer["writeable"].item()
        assert segments(host) == 16 * MIB


def touched(host: RunningHost) -> int:
    """Bytes of memory that all segments use."""
    blocks = 0
    for descriptor in Path(f"/proc/{host.process.pid}/fd").iterdir():
        if segment_bytes(descriptor):
            blocks += descriptor.stat().st_blocks
    return blocks * 512


def is_held(host: RunningHost, protocol: str, sent: NDArray[np.uint8]) -> bool:
    """Whether the segments use at least the size of ``sent`` after its answer; a late look comes after a trim."""
    for _ in range(3):
        assert infer(host, protocol, "echo", {"x": sent})["y"].tobytes() == sent.tobytes()
    return touched(host) >= sent.size


@pytest.mark.parametrize("table", ["shm", "models.echo.shm"])
@pytest.mark.parametrize(("protocol", "again"), [("grpc", 1), ("http", 48)], ids=["small", "large"])
def test_an_idle_worker_gives_its_memory_back(tmp_path: Path, protocol: str, again: int, table: str) -> None:
    """It does in both directions, and still serves."""
    (tmp_path / "host.toml").write_text(f"[{table}]\ntrim_after = 1\n")
    with run_host(f"{MEMORY}:echo", options=[f"--config={tmp_path / 'host.toml'}"]) as host:
        for size in (48, again):
            wait_until(partial(is_held, host, protocol, numbers(size * MIB)), what="the memory is used")
            large = segments(host)
            wait_until(lambda: touched(host) < MIB // 4, 20.0, "the memory is given back")
            assert segments(host) == large
