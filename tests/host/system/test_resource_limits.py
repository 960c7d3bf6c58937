"""Resource limits known before a start: they are raised where allowed, and a start below them is refused."""

from __future__ import annotations

import http.client
import json
import os
import resource
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytriton_plugins.host.memory.system_limits import NO_LIMIT, committable, swappable
from pytriton_plugins.host.system.resource_limits import MIN_STACK, STACK, Demand, limits
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from pytriton_plugins.testing.host import PROGRAM
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import descendants, tritonserver
from tests.support.sandbox.logs import wait_logged
from tests.support.traffic.clients import infer, texts

SCALARS = f"{MODELS / 'kinds.py'}:scalars"
REMEDY = "raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= of docker and podman)"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MANY = """
import numpy as np
from pytriton_plugins import Tensor, infer_func

@infer_func(inputs=[Tensor("x", np.int64, ())], outputs=[Tensor("y", np.int64, ())], workers=50)
def many(x):
    return x
"""
GIB = 1 << 30
FEW = limits(Demand(1, 1))[0]
"""As many descriptors as one worker and the fewest clients need, which depends on the processors."""


def test_a_form_that_is_larger_than_the_usual_stack(host: RunningHost) -> None:
    """A large form body, as ``curl -d`` sends JSON, does not overflow tritonserver's stack."""
    text = "a" * 6_000_000
    tensors = [{"name": name, "datatype": "BYTES", "shape": [1, 1], "data": [text]} for name in ("raw", "text")]
    connection = http.client.HTTPConnection(host.http, timeout=60)
    connection.request("POST", "/v2/models/strings/infer", json.dumps({"inputs": tensors}), FORM)
    answer = connection.getresponse()
    (lengths,) = [each for each in json.loads(answer.read())["outputs"] if each["name"] == "lengths"]
    connection.close()
    assert lengths["data"] == [len(text)]


def test_each_process_has_its_own_limits() -> None:
    """Daemon, tritonserver and workers each get their own limits."""
    with run_host(SCALARS, prefix=["prlimit", "--nofile=300:4000", "--stack=8388608:"]) as host:
        server = tritonserver(host)
        (worker,) = descendants(host.process.pid).keys() - {server}
        found = {
            who: (resource.prlimit(pid, resource.RLIMIT_NOFILE), resource.prlimit(pid, resource.RLIMIT_STACK)[0])
            for who, pid in (("daemon", host.process.pid), ("server", server), ("worker", worker))
        }
    assert found == {
        "daemon": ((4000, 4000), 8 << 20),
        "server": ((4000, 4000), STACK),
        "worker": ((300, 4000), 8 << 20),
    }


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("--nofile=64", f"descriptors: 64 allowed, {{}} needed for 1 worker and 64 clients; {REMEDY}"),
        (
            "--stack=8388608:67108864",
            "stack: 64 MiB allowed, 257 MiB needed by tritonserver for an HTTP body of 128 MiB; raise the hard limit "
            "(ulimit -Hs, LimitSTACK= of systemd, --ulimit stack= of docker and podman)",
        ),
        ("--as=8589934592", "address space: 8192 MiB allowed, "),
    ],
)
def test_a_start_below_a_limit_is_refused(limit: str, message: str) -> None:
    """`serve` refuses it in one line, and `check` reports it."""
    begins, _, ends = message.partition("{}")
    command = ["prlimit", limit, sys.executable, "-c", PROGRAM]
    ports = ["--http-port=0", "--grpc-port=0", "--metrics-port=0"]
    served = subprocess.run([*command, "serve", SCALARS, *ports], capture_output=True, text=True, timeout=60)
    checked = subprocess.run([*command, "check", SCALARS, *ports], capture_output=True, text=True, timeout=60)
    (line,) = served.stderr.splitlines()
    assert line.startswith(f"pytriton-host: {begins}")
    assert line.endswith(ends)
    assert (served.returncode, checked.returncode) == (1, 1)
    subject = begins.partition(":")[0]
    assert [text for text in checked.stdout.splitlines() if text.startswith(f"bad  {subject}: ")]


def test_all_limits_that_are_too_low_are_told_at_once() -> None:
    command = ["prlimit", "--nofile=64", "--stack=8388608:67108864", sys.executable, "-c", PROGRAM, "serve", SCALARS]
    served = subprocess.run([*command, "--http-port=0", "--grpc-port=0", "--metrics-port=0"], capture_output=True,
                            text=True, timeout=60)  # fmt: skip
    lines = [line.split(":")[:2] for line in served.stderr.splitlines()]
    assert (lines, served.returncode) == ([["pytriton-host", " descriptors"], ["pytriton-host", " stack"]], 1)


def test_models_that_leave_clients_no_descriptors_end_the_start(tmp_path: Path) -> None:
    """The number of workers is known only after the import, so the check comes then."""
    (tmp_path / "model.py").write_text(MANY)
    few, needed = FEW.needed, limits(Demand(50, 50))[0].needed
    with run_host(tmp_path / "model.py", prefix=["prlimit", f"--nofile={few}"], ready=False) as host:
        assert host.process.wait(60) == 1
        line = host.log.splitlines()[-1]
    assert line == f"pytriton-host: descriptors: {few} allowed, {needed} needed for 50 workers and 64 clients; {REMEDY}"


def test_few_descriptors_are_warned_of_and_a_lack_of_them_is_not_ready() -> None:
    """Few descriptors cause a warning; when clients use them up, the host is not ready."""
    few = FEW.needed
    with run_host(SCALARS, prefix=["prlimit", f"--nofile={few}"]) as host, ExitStack() as stack:
        wait_logged(host, f"WARNING pytriton.host: descriptors: {few} allowed, ")
        server, place = tritonserver(host), ("127.0.0.1", host.ports[0])
        kept = http.client.HTTPConnection(host.http, timeout=60)

        def ready() -> int:
            kept.request("GET", "/v2/health/ready")
            answer = kept.getresponse()
            answer.read()
            return answer.status

        assert ready() == 200
        for _ in range(few - len(os.listdir(f"/proc/{server}/fd")) - 10):
            stack.enter_context(socket.create_connection(place))
        wait_until(lambda: ready() == 400, what="not ready")
        wait_logged(
            host, f"of {few} descriptors are in use by clients; close idle connections, or raise the hard limit"
        )
        infer(host, "http", "scalars", {"x": texts("1").astype("float64")})
        stack.close()
        wait_until(lambda: ready() == 200, what="ready again")
        kept.close()
        assert host.stop() == 0


@pytest.mark.parametrize(
    ("overcommit", "piece", "all_together"),
    [("0", 10 * GIB, NO_LIMIT), ("1", NO_LIMIT, NO_LIMIT), ("2", 10 * GIB, 3 * GIB)],
)
def test_memory_that_may_be_asked_for(tmp_path: Path, overcommit: str, piece: int, all_together: int) -> None:
    """On a machine with 8 GiB, 2 GiB of swap, and 4 of 7 GiB committed."""
    figures = {"MemTotal": 8, "SwapTotal": 2, "CommitLimit": 7, "Committed_AS": 4}
    (tmp_path / "proc/sys/vm").mkdir(parents=True)
    (tmp_path / "proc/sys/vm/overcommit_memory").write_text(f"{overcommit}\n")
    (tmp_path / "proc/meminfo").write_text("".join(f"{name}: {size << 20} kB\n" for name, size in figures.items()))
    assert (swappable(tmp_path), committable(tmp_path)) == (piece, all_together)


def test_needs_grow_with_the_served_models() -> None:
    """Each slot needs a channel, a thread of tritonserver with its stack, and a thread of the worker."""
    few, many = ({each.subject: each.needed for each in limits(demand)} for demand in (Demand(1, 1), Demand(3, 12)))
    assert many["descriptors"] - few["descriptors"] == 3 * 11
    assert many["processes"] - few["processes"] == 2 * 2 + 2 * 11
    assert many["address space"] - few["address space"] == 11 * MIN_STACK
    assert many["stack"] == few["stack"] == MIN_STACK
