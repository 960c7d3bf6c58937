"""Metrics of models on the metrics port: counts of callables, memory of workers, and their restarts."""

from __future__ import annotations

import os
import re
import signal
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytriton_plugins.host.metrics.registry import MetricsRegistry, Model
from pytriton_plugins.host.metrics_exporter import POLL_INTERVAL, MetricsExporter
from pytriton_plugins.host.supervision.supervisor import ModelSupervisor
from pytriton_plugins.model.metric_rules import MAX_SERIES
from pytriton_plugins.shm.wire import MAX_OBSERVATIONS, LinkKind, LinkMessage
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.backend.server import Backend, run_backend
from tests.support.paths import MODELS
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.sandbox.leftovers import Mark, freeze, tritonserver
from tests.support.sandbox.logs import wait_logged
from tests.support.traffic.clients import Crowd, Gate, attempt, infer, queued, texts
from tests.support.traffic.scrape import families, page, value, values

MIB = 1 << 20
SOON = 10.0
"""Seconds; a change is on the port a second after it happened."""


def run(host: RunningHost, model: str, program: str) -> int:
    """Have a worker of the model run the program; returns the worker's process id."""
    return int(infer(host, "grpc", model, {"program": texts(textwrap.dedent(program))})["pid"].item())


def wait_for(host: RunningHost, expected: float, name: str, **labels: str) -> None:
    def is_there() -> bool:
        return value(host.metrics, name, **{"version": "1", **labels}) == expected

    try:
        wait_until(is_there, SOON)
    except TimeoutError:
        raise AssertionError(f"{name} is {values(host.metrics, name)} and not {expected}; {host.log[-2000:]}") from None


def shown_for(seconds: float, host: RunningHost, name: str, **labels: str) -> set[float | None]:
    """The values that the metric has within that many seconds."""
    until, found = time.monotonic() + seconds, set()

    def is_over() -> bool:
        found.add(value(host.metrics, name, **{"version": "1", **labels}))
        return time.monotonic() > until

    wait_until(is_over, seconds + SOON)
    return found


@pytest.fixture(scope="module")
def host() -> Iterator[RunningHost]:
    with run_host(MODELS / "metrics.py") as running:
        yield running


def test_metrics_of_callables_are_on_the_port(host: RunningHost) -> None:
    program = """
    metrics.counter("lines", help="Lines read", colour='"red"\\\\').inc(2)
    metrics.gauge("open_files").set(-1.5)
    for size in (0.25, 0.5, 3):
        metrics.histogram("size", "How\\nlarge", (0.5, 2)).observe(size)
    """
    for model in ("one", "two"):
        run(host, model, program)
        run(host, model, program)
    for model in ("one", "two"):
        wait_for(host, 4, "pytriton_model_lines", model=model, colour='"red"\\')
        wait_for(host, -1.5, "pytriton_model_open_files", model=model)
        wait_for(host, 7.5, "pytriton_model_size_sum", model=model)
        for bound, count in (("0.5", 4), ("2", 4), ("+Inf", 6)):
            wait_for(host, count, "pytriton_model_size_bucket", model=model, le=bound)
    found = families(host.metrics)
    assert (found["pytriton_model_lines"].type, found["pytriton_model_lines"].documentation) == (
        "counter",
        "Lines read",
    )
    assert (found["pytriton_model_size"].type, found["pytriton_model_size"].documentation) == ("histogram", "How large")
    assert "describe" not in host.log


def test_metrics_that_do_not_go_together_are_named(host: RunningHost) -> None:
    run(host, "one", "metrics.counter('clash').inc(); metrics.histogram('h', buckets=(1, 2)).observe(1)")
    run(host, "one", "metrics.counter('told', help='First').inc()")
    wait_for(host, 1, "pytriton_model_told", model="one")
    for _ in range(2):
        run(host, "two", "metrics.gauge('clash').set(7); metrics.histogram('h', buckets=(1, 3)).observe(1)")
        run(host, "two", "metrics.counter('told', help='Second').inc(); metrics.counter('last').inc()")
    run(host, "closing", "metrics.counter('h_sum').inc(); metrics.counter('last').inc()")
    wait_for(host, 2, "pytriton_model_last", model="two")
    wait_for(host, 1, "pytriton_model_last", model="closing")
    for name in ("clash", "h_count", "h_sum"):
        assert [dict(labels)["model"] for labels in values(host.metrics, f"pytriton_model_{name}")] == ["one"]
    assert value(host.metrics, "pytriton_model_told", model="two", version="1") == 2
    assert families(host.metrics)["pytriton_model_told"].documentation == "First"
    remedy = "is left out; give it another name, or the same kind and buckets"
    one, two, closing = (f"model {name} version 1" for name in ("one", "two", "closing"))
    for line in (
        f"clash: the gauge of {two} conflicts with the counter of {one} and {remedy}",
        f"h: the histogram of {two} conflicts with the histogram of {one} and {remedy}",
        f"h_sum: the counter of {closing} conflicts with the histogram of {one} and {remedy}",
        f"told: {two} and {one} have different help texts; shown is the latter",
    ):
        wait_logged(host, f"WARNING pytriton.host: metric {line}\n")
        assert host.log.count(f"WARNING pytriton.host: metric {line}\n") == 1


def test_a_model_has_so_many_series_and_no_more(host: RunningHost) -> None:
    """The limit on series holds even if a worker ignores it."""
    program = f"""
    change = {{"kind": "counter", "name": "many", "help": "", "buckets": [], "changes": [[1, 1]]}}
    for number in range({3 * MAX_SERIES}):
        tell("metrics", changes=[{{**change, "labels": {{"number": str(number)}}}}])
    """
    run(host, "closing", program)
    wait_logged(host, "further ones are left out; use labels that have few values")
    run(host, "two", "metrics.counter('others').inc()")
    wait_for(host, 1, "pytriton_model_others", model="two")
    assert 0 < len(values(host.metrics, "pytriton_model_many")) <= MAX_SERIES
    warning = f"model closing version 1: its metrics have {MAX_SERIES} sets of labels; further ones are left out; "
    assert host.log.count(f"{warning}use labels that have few values") == 1


def test_names_without_the_prefix(host: RunningHost) -> None:
    run(host, "one", 'metrics.unprefixed.counter("acme_lines_total", help="Lines", colour="red").inc(3)')
    run(host, "two", 'metrics.unprefixed.counter("acme_lines_total", help="Lines", colour="red").inc(4)')
    wait_for(host, 3, "acme_lines_total", model="one", colour="red")
    wait_for(host, 4, "acme_lines_total", model="two", colour="red")
    assert value(host.metrics, "pytriton_model_acme_lines_total", model="one", version="1", colour="red") is None


CHANGE = {"kind": "counter", "name": "bad", "help": "", "labels": {}, "buckets": [], "changes": [[1, 1]]}
HISTOGRAM = {**CHANGE, "kind": "histogram", "buckets": [1, 2]}
GARBAGE: dict[str, Any] = {
    "no changes": None,
    "a number": 7,
    "an object": {"a": 1},
    "no object": [[]],
    "null": [None],
    "no kind": [{**CHANGE, "kind": None}],
    "a kind that is a list": [{**CHANGE, "kind": []}],
    "no name": [{**CHANGE, "name": ""}],
    "a name of numbers": [{**CHANGE, "name": 7}],
    "a name with a line break": [{**CHANGE, "name": "a\nnv_inference_count 7"}],
    "a name with an escape": [{**CHANGE, "name": "\x1b[2J"}],
    "a name of half a character": [{**CHANGE, "name": "\ud800"}],
    "a long name": [{**CHANGE, "name": "x" * 60_000}],
    "a help that is a list": [{**CHANGE, "help": ["a"]}],
    "labels that are a list": [{**CHANGE, "labels": [1]}],
    "a label that is a number": [{**CHANGE, "labels": {"a": 1}}],
    "the label model": [{**CHANGE, "labels": {"model": "another"}}],
    "the label le": [{**CHANGE, "labels": {"le": "1"}}],
    "a label with a quote": [{**CHANGE, "labels": {'a="b"} 1\n': "1"}}],
    "100 labels": [{**CHANGE, "labels": {f"l{number}": "x" for number in range(100)}}],
    "buckets of a counter": [{**CHANGE, "buckets": [1]}],
    "no buckets": [{**HISTOGRAM, "buckets": []}],
    "buckets that are text": [{**HISTOGRAM, "buckets": "12"}],
    "1000 buckets": [{**HISTOGRAM, "buckets": list(range(1000))}],
    "buckets that fall": [{**HISTOGRAM, "buckets": [2, 1]}],
    "a bucket of NaN": [{**HISTOGRAM, "buckets": [1, float("nan")]}],
    "a bucket of text": [{**HISTOGRAM, "buckets": [1, "2"]}],
    "values that are not a list": [{**CHANGE, "changes": 1}],
    "no values": [{**CHANGE, "changes": []}],
    "two values of a counter": [{**CHANGE, "changes": [[1, 1], [1, 1]]}],
    "four values of three buckets": [{**HISTOGRAM, "changes": [[1, 1]] * 4}],
    "a value without a count": [{**CHANGE, "changes": [[1]]}],
    "a value of text": [{**CHANGE, "changes": [["1", 1]]}],
    "a value that is true": [{**CHANGE, "changes": [[True, 1]]}],
    "infinity": [{**CHANGE, "changes": [[float("inf"), 1]]}],
    "NaN": [{**CHANGE, "changes": [[float("nan"), 1]]}],
    "a number of 400 digits": [{**CHANGE, "changes": [[10**400, 1]]}],
    "backwards": [{**CHANGE, "changes": [[-1, 1]]}],
    "a counter twice": [{**CHANGE, "changes": [[1, 2]]}],
    "half a time": [{**HISTOGRAM, "changes": [[1, 0.5]]}],
    "never": [{**HISTOGRAM, "changes": [[1, 0]]}],
    "less than never": [{**HISTOGRAM, "changes": [[1, -1]]}],
    "10¹⁰⁰ times": [{**HISTOGRAM, "changes": [[1, 10**100]]}],
    "a name of Triton's": [{**CHANGE, "name": "nv_inference_count", "unprefixed": True}],
    "a name of the host's": [{**CHANGE, "name": "pytriton_workers", "unprefixed": True}],
    "a good one and a bad one": [CHANGE, {**CHANGE, "name": "2"}],
}


def test_garbage_is_left_out_and_said_once(host: RunningHost) -> None:
    """One worker sends all invalid messages and still serves."""
    pid = run(host, "two", "pass")
    before = page(host.metrics).count("\n# TYPE")
    for changes in GARBAGE.values():
        assert (
            run(host, "two", f"import math; inf, nan = math.inf, math.nan; tell('metrics', changes={changes!r})") == pid
        )
    assert (
        run(host, "two", "tell('metrics'); tell('metrics', changes=[]); metrics.counter('after_garbage').inc()") == pid
    )
    wait_for(host, 1, "pytriton_model_after_garbage", model="two")
    assert page(host.metrics).count("\n# TYPE") == before + 1
    line = "model two version 1: invalid metrics from one of its workers: its changes are not a list; left out\n"
    wait_logged(host, line)
    assert host.log.count(line) == 1
    assert host.log.count("invalid metrics") == 1
    host.wait_ready()


@pytest.mark.parametrize("data", ["b'[]'", "b'[' * 60_000", "b'[' * 70_000"])
def test_an_unreadable_message_ends_its_worker(host: RunningHost, data: str) -> None:
    """A message that cannot be parsed ends the worker that sent it."""
    pid = run(host, "closing", "pass")
    answered = attempt(host, "grpc", "closing", {"program": texts(f"send({data})")})
    wait_until(lambda: f"the link of worker {pid} broke" in host.log, SOON, f"it broke; {answered.error}")
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), SOON, "the worker is ended")  # it serves none of the next
    assert run(host, "one", "pass")
    assert "Exception in callback" not in host.log


def test_a_dead_worker_is_counted_and_its_gauges_are_gone(tmp_path: Path) -> None:
    program = f"""
    import os, pathlib, time
    metrics.gauge("busy").set(os.getpid())
    metrics.counter("runs").inc()
    folder = pathlib.Path({str(tmp_path)!r})
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.01)
    """
    with run_host(f"{MODELS / 'metrics.py'}:one", options=["--workers=2"]) as host:
        wait_for(host, 2, "pytriton_workers", model="one")
        wait_for(host, 0, "pytriton_worker_restarts_total", model="one")
        wait_for(host, 0, "pytriton_shared_memory_refusals_total", model="one")
        with ThreadPoolExecutor(2) as clients:
            killed, stays = clients.map(lambda _: run(host, "one", program), range(2))
        wait_for(host, killed + stays, "pytriton_model_busy", model="one")
        wait_for(host, 2, "pytriton_model_runs", model="one")
        os.kill(killed, signal.SIGKILL)
        wait_for(host, 1, "pytriton_worker_restarts_total", model="one")
        wait_for(host, stays, "pytriton_model_busy", model="one")
        wait_for(host, 2, "pytriton_workers", model="one")
        assert value(host.metrics, "pytriton_model_runs", model="one", version="1") == 2


def test_shared_memory_is_shown_as_it_grows_and_is_refused() -> None:
    with run_host(f"{MODELS / 'memory.py'}:echo", options=["--shm-max=128MiB"]) as host:
        wait_for(host, 16 * MIB, "pytriton_shared_memory_bytes", model="echo")
        wait_for(host, 128 * MIB, "pytriton_shared_memory_limit_bytes", model="echo")
        assert (value(host.metrics, "pytriton_shared_memory_touched_bytes", model="echo", version="1") or 0) < MIB
        infer(host, "grpc", "echo", {"x": np.zeros((1, 48 * MIB), np.uint8)})
        wait_for(host, 98 * MIB, "pytriton_shared_memory_bytes", model="echo")

        def touched() -> float:
            return value(host.metrics, "pytriton_shared_memory_touched_bytes", model="echo", version="1") or 0

        wait_until(lambda: touched() >= 96 * MIB, SOON, "both segments are touched")
        assert touched() <= 98 * MIB
        assert value(host.metrics, "pytriton_shared_memory_refusals_total", model="echo", version="1") == 0
        for turn in (1, 2):
            attempt(host, "grpc", "echo", {"x": np.zeros((1, 120 * MIB), np.uint8)})
            wait_for(host, turn, "pytriton_shared_memory_refusals_total", model="echo")


def test_requests_that_run_are_told_from_those_that_wait(tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    with run_host(MODELS / "gated.py") as host, Crowd(host, 3) as crowd:
        wait_for(host, 0, "pytriton_running_requests", model="Gated")
        held = crowd.send("Gated", {"gate": gate.tensor})
        wait_until(gate.is_reached, SOON, "the worker waits")
        others = [crowd.send("Gated", {"gate": texts("")}) for _ in range(2)]
        wait_until(lambda: queued(host, "Gated") == 2, SOON, "the others wait")
        wait_for(host, 1, "pytriton_running_requests", model="Gated")
        assert shown_for(3 * POLL_INTERVAL, host, "pytriton_running_requests", model="Gated") == {1}
        gate.open()
        assert [each.result().error for each in (held, *others)] == [""] * 3
        wait_for(host, 0, "pytriton_running_requests", model="Gated")


def test_the_last_counts_of_a_worker_are_shown(tmp_path: Path) -> None:
    """Metrics that the model's `close` counts at the end of the worker are shown."""
    path = tmp_path / "metrics.py"
    path.write_text((MODELS / "metrics.py").read_text())
    with run_host(f"{path}:Closing", options=["--reload"]) as host:
        pid = run(host, "closing", "metrics.counter('runs').inc()")
        path.write_text(path.read_text() + "# changed\n")
        wait_until(lambda: run(host, "closing", "pass") != pid, SOON, "another worker serves")
        wait_for(host, 1, "pytriton_model_closed", model="closing")
        assert value(host.metrics, "pytriton_model_runs", model="closing", version="1") == 1
        assert value(host.metrics, "pytriton_worker_restarts_total", model="closing", version="1") == 0


def test_a_server_that_does_not_read_blocks_no_request() -> None:
    """A server that does not read delays nothing; it gets all metrics once it reads again."""
    program = f"""
    import threading, time
    def count():
        while True:
            for number in range({MAX_SERIES}):
                labels = {{f"label_{{place}}": "x" * 190 + str(number) for place in range(8)}}
                metrics.counter("ticks", **labels).inc()
            time.sleep(0.1)
    threading.Thread(target=count, daemon=True).start()
    """
    mark, path = Mark(), MODELS / "metrics.py"
    with run_host(f"{path}:one", f"{path}:two", env=mark.env) as host:
        run(host, "one", program)
        victim = run(host, "two", "pass")
        server = tritonserver(host)
        freeze(server)
        try:
            for deaths in (1, 2, 3):
                others = mark.workers().keys()
                os.kill(victim, signal.SIGKILL)
                wait_until(lambda: host.log.count("ended with killed by SIGKILL") == deaths, SOON)  # noqa: B023
                (victim,) = wait_until(lambda: mark.workers().keys() - others, SOON, "another worker")  # noqa: B023
        finally:
            os.kill(server, signal.SIGCONT)
        wait_for(host, 3, "pytriton_worker_restarts_total", model="two")
        wait_until(lambda: len(values(host.metrics, "pytriton_model_ticks")) == MAX_SERIES, SOON, "all are shown")


STATUS = """
    import os
    from pytriton_plugins import hookimpl
    from pytriton_plugins.values import Verdict

    @hookimpl
    def pytriton_check_model_readiness(model, status):
        memory = status.memory
        numbers = f"{memory.initial} {memory.in_use} {memory.touched} {memory.max}"
        return Verdict(not os.path.exists(os.environ["SAY_MEMORY"]), numbers)
"""


def test_the_status_of_a_model_tells_its_memory(tmp_path: Path) -> None:
    install(tmp_path, "acme-status", {"pytriton_plugins.hooks": {"status": "acme_status"}}, acme_status=STATUS)
    env = {"PYTHONPATH": path_with(tmp_path), "SAY_MEMORY": str(tmp_path / "say")}
    with run_host(f"{MODELS / 'memory.py'}:echo", env=env) as host:
        infer(host, "grpc", "echo", {"x": np.zeros((1, 48 * MIB), np.uint8)})
        (tmp_path / "say").touch()
        beginning = "not ready: status (acme-status 1.0): model echo: "
        line = re.compile(f"{re.escape(beginning)}(.*)\n")
        told = wait_until(lambda: line.findall(host.log), SOON, "the status is in the log")
        initial, in_use, touched, most = map(int, told[0].split()[:4])
        assert (initial, in_use, most) == (16 * MIB, 98 * MIB, 2048 * MIB)
        assert 96 * MIB <= touched <= in_use


# The table of all metrics, with a backend that the test drives.


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with run_backend(tmp_path_factory.mktemp("metrics")) as running:
        yield running


def message(**fields: Any) -> dict[str, Any]:
    return {"changes": [{**CHANGE, **fields}]}


def send_all(backend: Backend, metrics: MetricsRegistry) -> int:
    """Send everything to the backend; returns the number of messages."""
    sent = 0
    while payload := metrics.payload():
        backend.call(backend.server.link.ask(LinkMessage(LinkKind.METRIC, payload=payload)))
        sent += 1
    return sent


def test_more_observations_than_one_message_may_have_come_in_several(backend: Backend) -> None:
    metrics, model = MetricsRegistry(), Model("m", 1)
    many = 2 * MAX_OBSERVATIONS + 7
    for name in ("waits", "sizes"):
        values_told = [[0.5, many], [1.5, 3], [7, 1]]
        metrics.from_worker(model, 1, message(kind="histogram", name=name, buckets=[1, 2], changes=values_told))
    assert send_all(backend, metrics) == 5
    for name in ("waits", "sizes"):
        shown = f"pytriton_model_{name}"
        assert value(backend.metrics, f"{shown}_count", model="m", version="1") == many + 4
        assert value(backend.metrics, f"{shown}_sum", model="m", version="1") == many * 0.5 + 11.5
        assert value(backend.metrics, f"{shown}_bucket", model="m", version="1", le="1") == many


def test_means_stay_in_their_bucket(backend: Backend) -> None:
    metrics, told = (
        MetricsRegistry(),
        message(kind="histogram", name="means", buckets=[0.1, 0.3], changes=[[0.1, 1], [0.3, 1]]),
    )
    for _ in range(10):
        metrics.from_worker(Model("m", 1), 1, told)
    send_all(backend, metrics)
    counts = [
        value(backend.metrics, "pytriton_model_means_bucket", model="m", version="1", le=bound)
        for bound in ("0.1", "0.3", "+Inf")
    ]
    assert counts == [10, 20, 20]


def test_the_largest_series_fit_into_messages(backend: Backend) -> None:
    metrics = MetricsRegistry()
    for number in range(MAX_SERIES):
        labels = {"l" * 99 + str(place): "é\U0001f600" * 98 + str(number) for place in range(8)}
        told = {"name": "n" * 100, "help": "\U0001f600" * 100, "labels": labels, "buckets": list(range(64))}
        metrics.from_worker(
            Model("m" * 64, 1), 1, message(**told, kind="histogram", changes=[[each - 0.5, 1] for each in range(65)])
        )
    assert send_all(backend, metrics) > 20
    assert len(values(backend.metrics, f"pytriton_model_{'n' * 100}_count")) == MAX_SERIES


class NoModels:
    """A source without models."""

    def __init__(self, metrics: MetricsRegistry) -> None:
        self.metrics = metrics

    def all_models(self) -> list[ModelSupervisor]:
        return []


def test_another_server_is_told_of_everything_again(tmp_path: Path) -> None:
    """In a new server counters begin at 0 and gauges at their last value."""
    metrics = MetricsRegistry()
    model = Model("m", 3)
    labels = {"model": "m", "version": "3"}
    metrics.from_worker(model, 1, message(name="hits", changes=[[5, 1]]))
    metrics.from_worker(model, 1, message(kind="gauge", name="level", changes=[[7, 1]]))
    metrics.from_worker(model, 1, message(kind="histogram", name="size", buckets=[1], changes=[[0.5, 4]]))
    for turn, expected in enumerate(((5, 7, 4), (0, 7, 0))):
        (tmp_path / str(turn)).mkdir()
        with run_backend(tmp_path / str(turn)) as running:
            exporting = running.clients.submit(running.call, MetricsExporter(NoModels(metrics)).run(running.server))
            names = ("hits", "level", "size_count")

            def shown(running: Backend = running, names: tuple[str, ...] = names) -> tuple[float | None, ...]:
                return tuple(value(running.metrics, f"pytriton_model_{name}", **labels) for name in names)

            wait_until(lambda: shown() == expected, SOON, f"{expected} is shown")  # noqa: B023
            running.close_link()
            exporting.result(6 * SOON)
