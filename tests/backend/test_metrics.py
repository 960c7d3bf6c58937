"""METRIC messages in a real tritonserver, and its metrics port as Prometheus reads it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.shm import wire
from pytriton_plugins.shm.declaration import pack_declaration
from pytriton_plugins.shm.wire import LinkKind, LinkMessage, MetricEntry
from pytriton_plugins.testing import wait_until
from tests.support.backend.caller import caller_model
from tests.support.backend.calling import ended, started
from tests.support.backend.golden import golden
from tests.support.backend.server import GOLDEN, TIMEOUT, WAIT, Backend, run_backend
from tests.support.traffic.scrape import families, page, value, values

COUNTER = MetricEntry(wire.COUNTER, "pytriton_count", "how many", (("model", "m"),), ((2.0, 1),))
GAUGE = MetricEntry(wire.GAUGE, "pytriton_level", "how high", (("model", "m"),), ((2.5, 1),))
HISTOGRAM = MetricEntry(
    wire.HISTOGRAM, "pytriton_size", "how large", (("model", "m"),), ((0.5, 2), (1.0, 1), (7.0, 3)), (1.0, 2.0)
)


def tell(backend: Backend, *entries: MetricEntry | bytes) -> None:
    """Send metrics to the backend, and wait until it has applied them."""
    payload = b"".join(entry if isinstance(entry, bytes) else entry.pack() for entry in entries)
    backend.call(backend.server.link.ask(LinkMessage(LinkKind.METRIC, payload=payload)))


def test_the_golden_metrics_are_shown(backend: Backend) -> None:
    for _ in range(2):
        tell(backend, *(golden("metric", name) for name in ("counter", "gauge", "histogram")))
    found = families(backend.metrics)
    one, two, size = (found[f"pytriton_golden_{name}"] for name in ("one", "two", "size"))
    assert (one.type, one.documentation) == ("counter", "what was me")
    assert (two.type, two.documentation) == ("gauge", "")
    assert (size.type, size.documentation) == ("histogram", "time")
    assert [(sample.labels, sample.value) for sample in one.samples] == [({"model": "m", "colour": 'ré"\\'}, 5.0)]
    assert [(sample.labels, sample.value) for sample in two.samples] == [({}, -1.5)]
    assert {(sample.name, sample.labels.get("le")): sample.value for sample in size.samples} == {
        ("pytriton_golden_size_count", None): 8.0,
        ("pytriton_golden_size_sum", None): 7.5,
        ("pytriton_golden_size_bucket", "0.5"): 6.0,
        ("pytriton_golden_size_bucket", "2"): 6.0,
        ("pytriton_golden_size_bucket", "+Inf"): 8.0,
    }


def test_changes_add_up_set_and_are_observed(backend: Backend) -> None:
    tell(backend, COUNTER._replace(changes=((0.0, 1),)), GAUGE, HISTOGRAM)
    assert value(backend.metrics, "pytriton_count", model="m") == 0
    tell(backend, COUNTER, COUNTER._replace(changes=((1.0, 1), (0.25, 1))), GAUGE._replace(changes=((-4.0, 1),)))
    assert value(backend.metrics, "pytriton_count", model="m") == 3.25
    assert value(backend.metrics, "pytriton_level", model="m") == -4
    assert value(backend.metrics, "pytriton_size_sum", model="m") == 23
    buckets = {labels[0][1]: count for labels, count in values(backend.metrics, "pytriton_size_bucket").items()}
    assert buckets == {"1": 3, "2": 3, "+Inf": 6}


def test_one_family_has_a_series_for_each_set_of_labels(backend: Backend) -> None:
    """Names and labels whose joined bytes are equal are different series."""
    several = [COUNTER._replace(name="pytriton_several", labels=(("model", str(number)),)) for number in range(3000)]
    label = ("a" * 257, "b" * 257)
    alike = COUNTER._replace(name="pytriton_alike\1\1\1\1" + label[0] + label[1], labels=())
    for start in range(0, 3000, 500):
        tell(backend, *several[start : start + 500])
    tell(backend, *several[:2], COUNTER._replace(name="pytriton_alike", labels=(label,)), alike)
    counts = values(backend.metrics, "pytriton_several")
    assert len(counts) == 3000
    assert {labels[0][1] for labels, count in counts.items() if count == 4} == {"0", "1"}
    assert values(backend.metrics, "pytriton_alike") == {(label,): 2}


def test_a_metric_that_triton_refuses_is_left_out_and_logged_once(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:

    def messages() -> list[str]:
        return [each.getMessage() for each in caplog.records if getattr(each, "source", "") == "pytriton:0"]

    refused = [
        COUNTER._replace(name="pytriton_no name"),
        COUNTER._replace(name="pytriton_odd", labels=(("no label", "m"),)),
        GAUGE._replace(name="pytriton_both"),
        HISTOGRAM._replace(name="pytriton_falling", buckets=(2.0, 1.0)),
    ]
    tell(backend, COUNTER._replace(name="pytriton_both"), *refused)
    tell(backend, *refused, *refused, COUNTER._replace(name="pytriton_last one"))
    assert value(backend.metrics, "pytriton_both", model="m") == 2
    shown = page(backend.metrics)
    assert "no name" not in shown
    assert "no label" not in shown
    assert not values(backend.metrics, "pytriton_falling_count")
    wait_until(lambda: "last one" in "".join(messages()), TIMEOUT, "what is refused is logged")
    assert messages() == [
        "declaring the metric pytriton_no name: Invalid metric name",
        "creating a metric: Invalid label name",
        "metric pytriton_both: declared elsewhere with another kind",
        "creating a histogram: Bucket Boundaries must be strictly sorted",
        "declaring the metric pytriton_last one: Invalid metric name",
    ]


def test_triton_s_own_families_and_that_of_the_queue_are_there(backend: Backend) -> None:
    backend.serve(5, GOLDEN, golden("declaration", "declaration"))
    tell(backend, COUNTER)
    found = families(backend.metrics)
    assert found["pytriton_queued_requests"].type == "gauge"
    assert found["nv_inference_count"].type == "counter"


def header(entry: MetricEntry, **fields: int) -> bytes:
    """The entry with other numbers in its header."""
    packed = entry.pack()
    names = ("kind", "labels", "buckets", "help_length", "name_length", "changes")
    numbers = dict(zip(names, wire.METRIC_HEADER.unpack_from(packed), strict=True))
    return wire.METRIC_HEADER.pack(*{**numbers, **fields}.values()) + packed[wire.METRIC_HEADER.size :]


BROKEN: dict[str, tuple[bytes, str]] = {
    "a part of a header": (COUNTER.pack()[:15], "a metric is truncated"),
    "without its last byte": (COUNTER.pack()[:-1], "a metric is truncated"),
    "a byte too many": (COUNTER.pack() + b"\0", "a metric is truncated"),
    "kind 0": (header(COUNTER, kind=0), "a metric of an unknown kind"),
    "kind 4": (header(COUNTER, kind=4), "a metric of an unknown kind"),
    "more labels than there are": (header(COUNTER, labels=2), "a metric is truncated"),
    "17 labels": (header(COUNTER, labels=17), "too many labels or buckets"),
    "65 buckets": (header(HISTOGRAM, buckets=65), "too many labels or buckets"),
    "buckets of a counter": (header(COUNTER, buckets=1), "buckets without one"),
    "no buckets": (HISTOGRAM._replace(buckets=()).pack(), "a histogram without buckets"),
    "a long help": (header(COUNTER, help_length=65535), "a metric is truncated"),
    "a long name": (header(COUNTER, name_length=65535), "a metric is truncated"),
    "2³²-1 changes": (header(COUNTER, changes=2**32 - 1), "a metric is truncated"),
    "a name of Triton's": (COUNTER._replace(name="nv_inference_count").pack(), "a missing, invalid or reserved name"),
    "no name": (COUNTER._replace(name="").pack(), "a missing, invalid or reserved name"),
    "Triton's prefix alone": (COUNTER._replace(name="nv_").pack(), "a missing, invalid or reserved name"),
    "a zero byte in the name": (COUNTER._replace(name="pytriton_a\0b").pack(), "a missing, invalid or reserved name"),
    "a line break in the name": (COUNTER._replace(name="pytriton_a\nb").pack(), "a missing, invalid or reserved name"),
    "a line break in the help": (COUNTER._replace(help="a\nb 1").pack(), "a help text of several lines"),
    "a zero byte in the help": (COUNTER._replace(help="a\0b").pack(), "a help text of several lines"),
    "a line break in a label": (COUNTER._replace(labels=(("a", "x\ny"),)).pack(), "a label of several lines"),
    "a zero byte in a label": (COUNTER._replace(labels=(("a\0", "x"),)).pack(), "a label of several lines"),
    "no number": (GAUGE._replace(changes=((float("nan"), 1),)).pack(), "a change that is not finite"),
    "infinity": (GAUGE._replace(changes=((float("-inf"), 1),)).pack(), "a change that is not finite"),
    "a counter backwards": (COUNTER._replace(changes=((-1.0, 1),)).pack(), "a counter with a negative change"),
    "never": (COUNTER._replace(changes=((1.0, 0),)).pack(), "a metric with no change, or too many"),
    "a counter twice": (COUNTER._replace(changes=((1.0, 2),)).pack(), "a metric with no change, or too many"),
    "65537 times": (HISTOGRAM._replace(changes=((1.0, 65536), (2.0, 1))).pack(), "no change, or too many"),
    "2⁶⁴-1 times": (HISTOGRAM._replace(changes=((1.0, 2), (1.0, 2**64 - 1))).pack(), "no change, or too many"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_message_ends_the_link(tmp_path: Path, name: str) -> None:
    """The daemon is trusted, so a broken message is a bug: the server exits with the reason."""
    payload, expected = BROKEN[name]
    with run_backend(tmp_path) as backend:
        tell(backend, COUNTER)
        backend.send(LinkMessage(LinkKind.METRIC, payload=payload))
        wait_until(lambda: not backend.alive, TIMEOUT, "the server ends")
        assert any(
            f"pytriton backend: {expected}" in line or expected in line for line in backend.server.child.last_lines
        )


def library_without(backend: Backend, symbols: tuple[str, ...], folder: Path) -> Path:
    """The library of the running server with other names for these functions, beside the libraries that it needs."""
    maps = Path(f"/proc/{backend.pid}/maps").read_text().splitlines()
    (real,) = {Path(line.split()[-1]) for line in maps if "/libtritonserver" in line}
    folder.mkdir()
    for library in real.parent.iterdir():
        (folder / library.name).symlink_to(library)
    content = real.read_bytes()
    for symbol in symbols:
        assert content.count(b"\0%s\0" % symbol.encode()) >= 1
        content = content.replace(b"\0%s\0" % symbol.encode(), b"\0%s_\0" % symbol[:-1].encode())
    (folder / real.name).unlink()
    (folder / real.name).write_bytes(content)
    return folder / real.name


@contextlib.contextmanager
def lacking(backend: Backend, folder: Path, *symbols: str) -> Iterator[Backend]:
    """Another server, without these functions: it loads the changed library instead of the real one."""
    (folder / "run").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(library_without(backend, symbols, folder / "libraries")))
        with run_backend(folder / "run") as started:
            patch.delenv("LD_PRELOAD")
            yield started


def test_a_server_without_histograms_shows_the_others(backend: Backend, tmp_path: Path) -> None:
    with lacking(backend, tmp_path, "TRITONSERVER_MetricObserve") as other:
        tell(other, HISTOGRAM, HISTOGRAM._replace(name="pytriton_size_2"), COUNTER)
        tell(other, HISTOGRAM, COUNTER)
        assert value(other.metrics, "pytriton_count", model="m") == 4
        assert "pytriton_size" not in page(other.metrics)
        message = "this tritonserver does not support histograms of backends: pytriton_size and others are left out"
        wait_until(lambda: any(message in line for line in other.server.child.last_lines), TIMEOUT, "it is logged")
        assert len([line for line in other.server.child.last_lines if "does not support histograms" in line]) == 1


def test_a_server_without_metrics_and_calls_of_backends_serves(backend: Backend, tmp_path: Path) -> None:
    symbols = (f"TRITONSERVER_Metric{name}" for name in ("FamilyNew", "New", "Increment", "Set"))
    with lacking(backend, tmp_path, *symbols, "TRITONBACKEND_ModelServer") as other:
        tell(other, COUNTER, GAUGE, HISTOGRAM)
        assert "pytriton_" not in page(other.metrics)
        model = caller_model("a")
        other.serve(1, model, pack_declaration(model, wait=WAIT, largest_response=1 << 20))
        caller, answer = started(other)
        text = "this tritonserver cannot run calls between models; use a newer one"
        assert caller.failure(caller.call("a")) == (wire.OUTCOME_CODES["UNSUPPORTED"], text)
        ended(caller, answer)
        other.forget()


def test_as_many_observations_as_there_may_be(backend: Backend) -> None:
    entry = HISTOGRAM._replace(name="pytriton_many", changes=((1.5, wire.MAX_OBSERVATIONS),))
    for _ in range(8):
        tell(backend, entry)
    assert value(backend.metrics, "pytriton_many_count", model="m") == 8 * wire.MAX_OBSERVATIONS


def test_the_largest_metric_there_may_be(backend: Backend) -> None:
    """16 labels and 64 buckets, each text as long as a message holds."""
    labels = tuple((f"label_{number}_{'l' * 500}", os.urandom(1500).hex()) for number in range(16))
    buckets = tuple(float(number) for number in range(64))
    changes = tuple((number + 0.5, 1000) for number in range(65))
    entry = MetricEntry(wire.HISTOGRAM, "pytriton_" + "n" * 2000, "h" * 1500, labels, changes, buckets)
    assert 60_000 < len(entry.pack()) < wire.MAX_MESSAGE - wire.LINK_HEADER.size
    for _ in range(2):
        tell(backend, entry)
    assert value(backend.metrics, f"{entry.name}_count", **dict(labels)) == 130_000
