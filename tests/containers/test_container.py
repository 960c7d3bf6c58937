"""Containers of the image as clusters run them, with our own process 1 and below podman's init."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import wait_until
from tests.support.measure.figures import Ruler
from tests.support.sandbox.leftovers import zombies
from tests.support.sandbox.podman import HARDENED, Podman
from tests.support.traffic.clients import PROTOCOLS, infer, texts
from tests.support.traffic.load import Load

MB = 10**6
INITS = pytest.mark.parametrize("init", [(), ("--init", "--init-path=/usr/bin/catatonit")], ids=["pid1", "init"])
STOP_SECONDS = 1 + 1 + 3
"""The drain delay of the image's configuration, the drain timeout, and the time that the end may take beyond."""


def lines_of(pid: int) -> dict[str, str]:
    pairs = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: value.strip() for name, _, value in pairs}


@INITS
def test_it_serves_large_tensors_with_nothing_but_tmp(podman: Podman, image: str, init: tuple[str, ...]) -> None:
    """48 MB, with a /dev/shm of 64 MB."""
    tensor = np.arange(48 * MB, dtype=np.uint8)[None]
    with podman.run(image, options=[*HARDENED, *init]) as container:
        status = lines_of(container.pid)
        assert status["NSpid"].split()[1:] == ["1"]
        assert status["Uid"].split() == ["10001"] * 4
        assert (status["CapEff"], status["CapBnd"]) == ("0" * 16, "0" * 16)
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        first = Path(f"/proc/{container.pid}/cmdline").read_bytes().split(b"\0")
        assert (b"/opt/pytriton/bin/pytriton-host" in first) != bool(init)
        shm = container.run("df", "--output=size", "/dev/shm").stdout.split()
        assert shm[1] == f"{64 << 10}"
        assert container.run("touch", "/srv/pytriton/x").returncode != 0
        for protocol in PROTOCOLS:
            answered = infer(container.host, protocol, "echo", {"x": tensor})["y"]
            assert np.array_equal(answered, tensor)


@INITS
def test_the_health_check_is_healthy(podman: Podman, image: str, init: tuple[str, ...]) -> None:
    with podman.run(image, options=[*HARDENED, *init]) as container:
        done = podman.call("healthcheck", "run", container.name, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert container.inspect()["State"]["Health"]["Status"] == "healthy"


@INITS
def test_it_stops_in_time_under_load(podman: Podman, image: str, init: tuple[str, ...]) -> None:
    row = np.ones((1, 4), np.float32)
    with (
        podman.run(image, options=[*HARDENED, *init]) as container,
        Load(container.host, "add_sub", lambda: {"a": row, "b": row}, clients=8, anew=(False, True)) as load,
    ):
        wait_until(lambda: len(load.sent) > 100, 30, "the clients are at work")
        stopped = time.monotonic()
        with Ruler() as ruler:
            code = container.stop(20)
        duration = time.monotonic() - stopped
        load.stop()
    assert code == 0
    assert duration < STOP_SECONDS + ruler.worst
    assert [each for each in load.sent if each.began < stopped and each.error] == []
    print(f"\nstopped under load in {duration:.1f} s, {len(load.sent) - len(load.failed)} requests answered")


@INITS
def test_no_zombie_stays(podman: Podman, image: str, init: tuple[str, ...]) -> None:
    """A plugin leaves a hundred orphans behind."""
    with podman.run(image, options=[*HARDENED, *init]) as container:
        orphans = {"what": texts("orphans"), "gate": texts("/tmp/gate")}
        assert infer(container.host, "grpc", "life", orphans)["pid"].item() > 1
        wait_until(lambda: zombies(container.pid) == 0, 5, "every orphan is reaped")
