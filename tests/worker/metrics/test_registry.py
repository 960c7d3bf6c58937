"""A callable's metrics and the messages to the daemon about them, also over a real worker link."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytriton_plugins.model.metric_rules import DEFAULT_BUCKETS, MAX_SERIES, bucket_of
from pytriton_plugins.shm.sockets import receive, socket_pair
from pytriton_plugins.shm.wire import MAX_MESSAGE
from pytriton_plugins.testing import wait_until
from pytriton_plugins.worker.metrics.registry import FLUSH_INTERVAL, Metrics
from pytriton_plugins.worker.metrics.series import Family, Histogram, Series

TIMEOUT = 60.0


class SentMetrics:
    """Metrics and all messages about them; by default the test sends them with `flush`."""

    def __init__(self, interval: float = 3600.0) -> None:
        self.messages: list[list[dict[str, Any]]] = []
        self.metrics = Metrics(self, interval=interval)

    def send(self, kind: str, **content: Any) -> None:
        assert kind == "metrics"
        self.messages.append(content.pop("changes"))
        assert content == {}

    def flush(self) -> list[dict[str, Any]]:
        """The changes since the last call."""
        self.metrics.flush()
        changes = [change for message in self.messages for change in message]
        self.messages.clear()
        return changes


@pytest.fixture
def sent() -> SentMetrics:
    return SentMetrics()


def test_each_kind_tells_what_has_gathered(sent: SentMetrics) -> None:
    metrics = sent.metrics
    for _ in range(3):
        metrics.counter("hits", help="how often", colour="red").inc()
    metrics.counter("hits", colour="red").inc(0.5)
    metrics.gauge("level").set(7)
    metrics.gauge("level").inc(-2.5)
    for value in (0.25, 0.75, 3, 5):
        metrics.histogram("size", "how large", (0.5, 1, 4)).observe(value)
    hits = {"kind": "counter", "name": "hits", "help": "how often", "labels": {"colour": "red"}, "buckets": ()}
    level = {"kind": "gauge", "name": "level", "help": "", "labels": {}, "buckets": ()}
    size = {"kind": "histogram", "name": "size", "help": "how large", "labels": {}, "buckets": (0.5, 1.0, 4.0)}
    assert sent.flush() == [
        {**hits, "changes": [(3.5, 1)]},
        {**level, "changes": [(4.5, 1)]},
        {**size, "changes": [(0.25, 1), (0.75, 1), (3.0, 1), (5.0, 1)]},
    ]
    assert sent.flush() == []
    metrics.counter("hits", colour="red").inc()
    metrics.gauge("level").inc()
    metrics.histogram("size").observe(0.75)
    changes = [change["changes"] for change in sent.flush()]
    assert changes == [[(1.0, 1)], [(5.5, 1)], [(0.75, 1)]]


def test_labels_make_series_in_whatever_order_they_come(sent: SentMetrics) -> None:
    one = sent.metrics.counter("hits", colour="red", size="1")
    assert sent.metrics.counter("hits", size="1", colour="red") is one
    assert sent.metrics.counter("hits", size="1", colour="red") is one
    assert sent.metrics.counter("hits", colour="red", size="1", empty="") is one
    assert sent.metrics.counter("hits", colour="blue", size="1") is not one
    assert sent.metrics.counter("hits", name="a", self="b") is sent.metrics.counter("hits", self="b", name="a")


@pytest.mark.parametrize(
    ("given", "shown"),
    [("two\nlines\t and  more", "two lines and more"), ("\x1b[2J\0", "\\x1b[2J\\x00"), ("x" * 300, "x" * 199 + "…")],
)
def test_odd_text_fails_no_request(sent: SentMetrics, given: str, shown: str) -> None:
    for _ in range(2):
        sent.metrics.counter("hits", help=given, label=given).inc()
    (change,) = sent.flush()
    assert (change["labels"], change["help"], change["changes"]) == ({"label": shown}, shown, [(2.0, 1)])


@pytest.mark.parametrize("number", [True, np.float32(1), np.int64(1), np.bool_(True), np.array(1.0)], ids=repr)
def test_every_kind_of_number_counts(sent: SentMetrics, number: Any) -> None:
    sent.metrics.counter("hits").inc(number)
    sent.metrics.gauge("level").set(number)
    sent.metrics.histogram("size", buckets=np.linspace(1, 2, 3)).observe(number)  # type: ignore[arg-type]
    assert json.dumps([change["changes"] for change in sent.flush()]) == "[[[1.0, 1]], [[1.0, 1]], [[1.0, 1]]]"


Use = Callable[[Metrics], object]
WRONG: dict[str, tuple[Use, type[Exception], str]] = {
    "a blank in the name": (
        lambda metrics: metrics.counter("hits per second"),
        ValueError,
        "metric 'hits per second': write a name of letters, digits, _ and :, at most 100, no digit first",
    ),
    "a digit first": (lambda metrics: metrics.gauge("2nd"), ValueError, "metric '2nd': write a name"),
    "a line break behind": (lambda metrics: metrics.gauge("hits\n"), ValueError, "metric 'hits\\n': write a name"),
    "a long name": (lambda metrics: metrics.gauge("x" * 101), ValueError, "at most 100"),
    "no text": (lambda metrics: metrics.counter(b"hits"), TypeError, "write a name of letters"),  # type: ignore[arg-type]
    "nothing hashable": (lambda metrics: metrics.counter([]), TypeError, "metric []: write a name"),  # type: ignore[arg-type]
    "the label model": (
        lambda metrics: metrics.counter("hits", model="m"),
        ValueError,
        "counter hits: label model: the daemon sets it; write another name",
    ),
    "the label le": (lambda metrics: metrics.counter("hits", le="1"), ValueError, "label le: histograms use it"),
    "a label with two underscores": (lambda metrics: metrics.gauge("a", **{"__x": "1"}), ValueError, "label '__x': "),
    "a label with a hyphen": (lambda metrics: metrics.gauge("a", **{"a-b": "1"}), ValueError, "label 'a-b': write a"),
    "a label that is a number": (
        lambda metrics: metrics.counter("hits", status=200),  # type: ignore[arg-type]
        TypeError,
        "counter hits: label status: its value is a int; write text, such as status=str(…)",
    ),
    "a label that is a list": (lambda metrics: metrics.gauge("a", b=[]), TypeError, "its value is a list; write text"),  # type: ignore[arg-type]
    "nine labels": (lambda metrics: metrics.gauge("a", **dict.fromkeys("bcdefghij", "x")), ValueError, "at most 8"),
    "backwards": (
        lambda metrics: metrics.counter("hits").inc(-1),
        ValueError,
        "counter hits: inc(-1.0): write a number of at least 0, or use a gauge",
    ),
    "NaN": (
        lambda metrics: metrics.counter("hits").inc(math.nan),
        ValueError,
        "counter hits: inc(nan): write a finite",
    ),
    "infinity": (lambda metrics: metrics.gauge("a").set(-math.inf), ValueError, "gauge a: set(-inf): write a finite"),
    "too large": (lambda metrics: metrics.histogram("h").observe(1e301), ValueError, "histogram h: observe(1e+301): "),
    "far too large": (lambda metrics: metrics.gauge("a").inc(10**400), ValueError, "gauge a: inc(inf): write a finite"),
    "text for a number": (
        lambda metrics: metrics.gauge("level").set("7"),  # type: ignore[arg-type]
        TypeError,
        "gauge level: set(str): write a number, such as set(1.5)",
    ),
    "an array for a number": (
        lambda metrics: metrics.histogram("h").observe(np.ones(2)),  # type: ignore[arg-type]
        TypeError,
        "histogram h: observe(ndarray): write a number",
    ),
    "two kinds": (
        lambda metrics: (metrics.counter("hits"), metrics.gauge("hits")),
        ValueError,
        "gauge hits: the name is in use by counter hits; use another name",
    ),
    "a histogram's count": (
        lambda metrics: (metrics.histogram("h"), metrics.counter("h_count")),
        ValueError,
        "counter h_count: the name is in use by histogram h; use another name",
    ),
    "a histogram over a counter": (
        lambda metrics: (metrics.counter("h_sum"), metrics.histogram("h")),
        ValueError,
        "histogram h: the name is in use by counter h_sum; use another name",
    ),
    "other buckets": (
        lambda metrics: (metrics.histogram("h", buckets=(1, 2)), metrics.histogram("h", buckets=(1, 3))),
        ValueError,
        "histogram h: its buckets are (1.0, 2.0) already; leave them out, or use another name",
    ),
    "no bucket": (
        lambda metrics: metrics.histogram("h", buckets=()),
        ValueError,
        "histogram h: 0 buckets; write from 1",
    ),
    "65 buckets": (
        lambda metrics: metrics.histogram("h", buckets=range(65)),
        ValueError,
        "65 buckets; write from 1 to 64",
    ),
    "buckets that fall": (
        lambda metrics: metrics.histogram("h", buckets=(1, 3, 2)),
        ValueError,
        "histogram h: its buckets do not rise; write each upper bound once",
    ),
    "a bucket twice": (lambda metrics: metrics.histogram("h", buckets=(1, 1)), ValueError, "its buckets do not rise"),
    "an infinite bucket": (
        lambda metrics: metrics.histogram("h", buckets=(1, math.inf)),
        ValueError,
        "its buckets are not all numbers; write upper bounds such as (0.1, 0.5, 1.0), without infinity",
    ),
    "a bucket of text": (
        lambda metrics: metrics.histogram("h", buckets=("a", "b")),  # type: ignore[arg-type]
        ValueError,
        "its buckets are not all numbers",
    ),
    "one number for buckets": (
        lambda metrics: metrics.histogram("h", buckets=1),  # type: ignore[arg-type]
        ValueError,
        "its buckets are not all",
    ),
}


def test_the_prefix_is_turned_off_for_unique_names(sent: SentMetrics) -> None:
    """The same name with the prefix is another metric."""
    plain, prefixed = sent.metrics.unprefixed, sent.metrics
    plain.counter("acme_hits", "Hits", colour="red").inc(2)
    assert plain.counter("acme_hits", colour="red") is plain.counter("acme_hits", colour="red")
    prefixed.gauge("acme_hits").set(1)
    assert [(each["name"], each["kind"], each.get("unprefixed")) for each in sent.flush()] == [
        ("acme_hits", "counter", True),
        ("acme_hits", "gauge", None),
    ]
    with pytest.raises(ValueError, match="gauge acme_hits: the name is in use by counter acme_hits; use another name"):
        plain.gauge("acme_hits")
    for name in ("nv_inference_count", "pytriton_workers", "pytriton_model_acme_hits"):
        with pytest.raises(ValueError, match=f"metric '{name}': names that begin with nv_ or pytriton_ are reserved"):
            plain.counter(name)
    assert type(prefixed.counter("nv_inference_count")) is type(plain.counter("other"))


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_says_what_to_write(sent: SentMetrics, name: str) -> None:
    use, kind, expected = WRONG[name]
    for _ in range(2):
        with pytest.raises(kind) as refused:
            use(sent.metrics)
        assert expected in str(refused.value)
        assert "\n" not in str(refused.value)
    sent.metrics.counter("afterwards").inc()
    assert [change["name"] for change in sent.flush()] == ["afterwards"]


class Alone:
    """An owner that sends no messages."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def schedule(self, series: Series) -> None:
        pass


NUMBERS = st.floats(-1e300, 1e300, allow_nan=False)


@example([0.1, 0.5], [0.1, 0.1, 0.1])
@given(st.lists(NUMBERS, min_size=1, max_size=64, unique=True).map(sorted), st.lists(NUMBERS, max_size=200))
def test_means_fall_where_the_values_fell(buckets: list[float], values: list[float]) -> None:
    histogram = Histogram(Alone(), Family("histogram", "h", "", tuple(buckets)), ())
    for value in values:
        histogram.observe(value)
    means = histogram.take()["changes"]
    seen = {bucket_of(buckets, mean): count for mean, count in means}
    assert seen == Counter(bucket_of(buckets, value) for value in values)
    total = sum(mean * count for mean, count in means)
    assert total == pytest.approx(sum(values), abs=1e-12 * sum(map(abs, values)) + 1e-300)


def test_a_histogram_without_buckets_has_those_for_seconds(sent: SentMetrics) -> None:
    sent.metrics.histogram("h").observe(0.1)
    sent.metrics.histogram("h", buckets=DEFAULT_BUCKETS).observe(0.1)
    (change,) = sent.flush()
    assert (change["buckets"], change["changes"]) == (DEFAULT_BUCKETS, [(0.1, 2)])


def test_no_count_of_a_thread_is_lost_while_metrics_are_sent(sent: SentMetrics) -> None:
    """No increment of a thread is lost while the metrics are sent."""
    total: list[float] = []

    def count() -> None:
        for turn in range(20_000):
            sent.metrics.counter("hits", parity=str(turn % 2)).inc()

    threads = [threading.Thread(target=count) for _ in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        total += [change["changes"][0][0] for change in sent.flush()]
    total += [change["changes"][0][0] for change in sent.flush()]
    assert sum(total) == 120_000


def test_more_series_than_there_may_be_are_left_out(sent: SentMetrics, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "pytriton.worker"):
        for number in range(2 * MAX_SERIES):
            sent.metrics.counter("users", user=str(number)).inc()
    sent.metrics.counter("users", user="0").inc()
    assert len(sent.flush()) == MAX_SERIES
    assert caplog.messages == [
        "metric users: the limit of 200 series is reached, further series are dropped; use labels that have few values"
    ]
    sent.metrics.counter("users", user=str(MAX_SERIES)).inc()
    assert sent.flush() == []


SLOWLY = 4 * FLUSH_INTERVAL
"""Seconds between two messages; the test does its part of the work in less."""


def flushing_threads() -> int:
    return len([thread for thread in threading.enumerate() if thread.name == "pytriton-metrics"])


def test_no_thread_runs_before_something_is_counted() -> None:
    sent = SentMetrics(SLOWLY)
    before = flushing_threads()
    counter = sent.metrics.counter("hits")
    sent.metrics.flush()
    assert flushing_threads() == before
    counter.inc()
    counter.inc()
    assert flushing_threads() == before + 1
    assert sent.messages == []
    wait_until(lambda: len(sent.messages) == 1, TIMEOUT, "a message")
    assert sent.messages[0][0]["changes"] == [(2.0, 1)]
    counter.inc()
    wait_until(lambda: len(sent.messages) == 2, TIMEOUT, "a second message")
    assert flushing_threads() == before + 1


START = """
import os, socket, sys, threading
from pytriton_plugins.worker.link import WorkerLink
from pytriton_plugins.worker.metrics.registry import FLUSH_INTERVAL, Metrics
from pytriton_plugins.worker.metrics.series import Family, Histogram, Series
metrics = Metrics(WorkerLink(socket.socket(fileno=int(sys.argv[1]))))
"""


def run_worker(program: str) -> list[dict[str, Any]]:
    """The messages over the link of a process that runs ``program`` to its end."""
    ours, theirs = socket_pair()
    ours.settimeout(TIMEOUT)
    with ours:
        with theirs:
            command = [sys.executable, "-c", START + program, str(theirs.fileno())]
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        messages = []
        while data := receive(ours)[0]:
            assert len(data) <= MAX_MESSAGE
            messages.append(json.loads(data))
        assert process.wait(TIMEOUT) == 0
    assert {message["type"] for message in messages} <= {"metrics"}
    return messages


def test_the_last_counts_are_sent_at_the_end() -> None:
    (message,) = run_worker("metrics.counter('hits').inc()\nmetrics.counter('hits').inc()\n")
    assert [change["changes"] for change in message["changes"]] == [[[2.0, 1]]]


def test_a_worker_that_counts_nothing_says_nothing() -> None:
    assert run_worker("metrics.counter('hits')\nmetrics.flush()\n") == []


def test_changes_that_do_not_fit_into_one_message_go_in_several() -> None:
    program = """
for number in range(150):
    labels = {f"label_{place}": chr(0x1F600 + place) * 195 + str(number) for place in range(8)}
    metrics.histogram("size", "\\u00e9" * 200, range(64), **labels).observe(number % 64)
"""
    messages = run_worker(program)
    assert len(messages) > 10
    assert len([change for message in messages for change in message["changes"]]) == 150


def test_a_child_that_the_callable_forks_counts_for_itself() -> None:
    """The lock of the parent, which `flush` may hold at the fork, does not block the child."""
    program = """
metrics.counter("hits").inc()
held, done = threading.Event(), threading.Event()
def hold():
    with metrics.lock:
        held.set()
        done.wait()
threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if child == 0:
    metrics.counter("hits").inc()
    metrics.gauge("level").set(1)
    metrics.flush()
    os._exit(7)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
done.set()
metrics.counter("status").inc(status)
"""
    changes = [change for message in run_worker(program) for change in message["changes"]]
    assert {change["name"]: change["changes"] for change in changes} == {"hits": [[1.0, 1]], "status": [[7.0, 1]]}
