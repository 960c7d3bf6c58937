"""A stop under load: no request is lost that was sent while the host served; row 2 of the table of faults."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from pytriton_plugins.testing import run_host, wait_until
from pytriton_plugins.testing.host import PROGRAM
from tests.support.measure.figures import FULL, figure
from tests.support.paths import MODELS
from tests.support.sandbox.inits import AS_PID_1, pid_1_of
from tests.support.sandbox.leftovers import Mark
from tests.support.traffic.clients import PROTOCOLS, texts
from tests.support.traffic.load import Load, Sent

LIFE = MODELS / "life.py"
SECONDS = LIFE.with_name("seconds.py")
IDLE = {"what": texts(""), "gate": texts("/-")}
CLIENTS = 32
DELAY = 5.0 if FULL else 1.0
DRAIN_TIMEOUT = 1.0
UNDER_WAY = 0.1
"""Seconds after the delay in which the last byte arrives of a request that was sent before its end."""
RUNS = 10 if FULL else 2


def stopped_under_load(number: signal.Signals) -> tuple[list[Sent], float, int, float]:
    """The requests of clients that never stop, the time of the signal, the exit code and the duration of the stop."""
    options = [f"--drain-delay={DELAY}", f"--drain-timeout={DRAIN_TIMEOUT}"]
    with (
        run_host(LIFE, options=options) as host,
        Load(host, "life", lambda: IDLE, clients=CLIENTS, anew=(False, True)) as load,
    ):
        wait_until(lambda: len(load.sent) > 4 * CLIENTS, 30, "the clients are at work")
        stopped = time.monotonic()
        code = host.stop(number)
        duration = time.monotonic() - stopped
        load.stop()
    return load.sent, stopped, code, duration


def test_nothing_is_lost_that_was_sent_before_the_delay_is_over() -> None:
    """Clients with kept and with new connections send without a pause."""
    lost, served, ends = [], [], []
    for run in range(RUNS):
        sent, stopped, code, duration = stopped_under_load((signal.SIGTERM, signal.SIGINT)[run % 2])
        before = [each for each in sent if each.began < stopped + DELAY]
        failed = [each for each in before if each.error]
        assert not failed, failed[:3]
        assert code == 0
        lost.append(len(failed))
        served.append(sum(each.began > stopped for each in before))
        ends.append(duration)
    assert min(served) > CLIENTS
    figure(2, "SIGTERM, SIGINT under load: requests lost that were sent before the delay was over", lost, "", 0)
    figure(2, f"until exit 0, clients never stop, delay {DELAY:g} s", ends, limit=DELAY + DRAIN_TIMEOUT + 3)


@pytest.mark.parametrize("seconds", [0.8, *([5.0] if FULL else [])])
@pytest.mark.parametrize("prefix", [[], AS_PID_1], ids=["child", "process 1"])
def test_the_default_stop_loses_nothing(prefix: list[str], seconds: float) -> None:
    """Six clients over HTTP and gRPC, with default options except the ports."""
    asked = {"seconds": np.array([seconds], np.float32)}
    with (
        run_host(SECONDS, prefix=prefix, drain_timeout=None) as host,
        Load(host, "seconds", lambda: asked, clients=6) as load,
    ):
        wait_until(lambda: len(load.sent) > 1, 30, "the clients are at work")
        stopped = time.monotonic()
        os.kill(pid_1_of(host) if prefix else host.process.pid, signal.SIGTERM)
        load.end()
        code = host.process.wait(60)
        load.stop()
    before = [each for each in load.sent if each.began < stopped]
    failed = [each for each in before if each.error]
    assert [each.error for each in failed] == []
    assert len([each for each in before if each.ended > stopped]) == 6
    assert code == 0
    figure(2, f"SIGTERM without options, callables of {seconds:g} s: requests lost", [len(failed)], "", 0)


def test_requests_in_flight_at_the_end_of_the_delay_are_answered() -> None:
    """Requests in flight at the end of the delay are answered."""
    body = json.dumps({"inputs": [*map(text_input, IDLE)]})
    with run_host(LIFE, options=["--drain-delay=1"]) as host:
        connection = http.client.HTTPConnection(host.http, timeout=60)
        host.process.send_signal(signal.SIGTERM)
        over = time.monotonic() + 1
        connection.putrequest("POST", "/v2/models/life/infer")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:-1].encode())
        wait_until(lambda: time.monotonic() > over + UNDER_WAY, 20, "the delay is over")
        connection.send(body[-1:].encode())
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        connection.close()
        assert host.process.wait(30) == 0


def text_input(name: str) -> dict[str, object]:
    return {"name": name, "shape": [1, 1], "datatype": "BYTES", "data": [IDLE[name].item().decode()]}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_not_ready_while_it_serves_on(protocol: str) -> None:
    with run_host(LIFE, options=["--drain-delay=4"]) as host:
        with Load(host, "life", lambda: IDLE, clients=2, protocols=(protocol,)) as load:
            host.process.send_signal(signal.SIGTERM)
            wait_until(lambda: host.status("/v2/health/ready") == 400, 20, "ready is 400")
            closed = time.monotonic()
            assert host.status("/v2/health/live") == 200
            wait_until(lambda: load.answered_after(closed), 20, "requests are answered")
        assert load.failed == []
        assert host.process.wait(30) == 0


def test_a_worker_that_ends_during_the_delay_is_replaced() -> None:
    mark = Mark()
    with run_host(LIFE, options=["--drain-delay=6"], env=mark.env) as host:
        (worker,) = mark.workers()
        host.process.send_signal(signal.SIGTERM)
        wait_until(lambda: host.status("/v2/health/ready") == 400, 20, "ready is 400")
        subprocess.run(["kill", "-9", str(worker)], check=True)
        wait_until(lambda: mark.workers().keys() - {worker}, 20, "another worker")
        with Load(host, "life", lambda: IDLE, clients=1) as load:
            wait_until(lambda: load.sent, 20, "it serves")
        assert load.failed == []
        assert host.process.wait(30) == 0


def test_a_second_signal_ends_the_delay() -> None:
    with run_host(LIFE, options=["--drain-delay=30"]) as host:
        host.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "are served for 30 s more" in host.log)
        began = time.monotonic()
        assert host.stop() == 0
        assert time.monotonic() - began < 5, "not thirty"


def test_a_grace_period_that_is_too_short_is_refused() -> None:
    options = ["--drain-delay=20", "--drain-timeout=10", "--grace-period=30"]
    done = subprocess.run([sys.executable, "-c", PROGRAM, "serve", str(LIFE), *options], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "pytriton-host: grace-period (30 s) is less than a stop may take: drain-delay 20 + drain-timeout 10 + 3 s to "
        "end everything = 33 s; raise --grace-period, or lower drain-delay or drain-timeout"
    ]
