"""The verdict of a long run, with figures that can be checked by hand."""

from __future__ import annotations

import pytest
from attrs import evolve

from benchmarks.soak.holdings import Holding, Sample
from benchmarks.soak.summary import summary
from benchmarks.soak.verdict import AROUND, objections, soak_table

MB = 1_000_000
HOST = Holding(
    "host", 7, 40 * MB, 35 * MB, 4 * MB, 1 * MB, descriptors=30, threads=10, segments=4, thread_names={"main": 10}
)


def run_of(*last: Holding) -> list[Sample]:
    """A hundred and one samples: the host without a change, with `last` as the last samples."""
    holdings = [HOST] * (101 - len(last)) + list(last)
    return [Sample(10_000 * index, float(index), [each]) for index, each in enumerate(holdings)]


def test_nothing_grew() -> None:
    assert objections(run_of()) == []


def test_two_megabytes_are_allowed_and_no_more() -> None:
    allowed = evolve(HOST, bytes=42 * MB, anonymous_bytes=37 * MB)
    assert objections(run_of(*[allowed] * AROUND)) == []
    more = evolve(HOST, bytes=43 * MB, anonymous_bytes=38 * MB)
    assert objections(run_of(*[more] * AROUND)) == [
        "memory of host: +3.0 MB (anonymous +3.0 MB, files +0.0 MB, shared +0.0 MB), 2.0 MB allowed without files"
    ]


def test_the_part_of_libraries_depends_on_other_processes() -> None:
    assert objections(run_of(*[evolve(HOST, bytes=60 * MB, file_bytes=24 * MB)] * AROUND)) == []


@pytest.mark.parametrize("count", [29, 31])
def test_a_count_that_differs(count: int) -> None:
    changed = evolve(HOST, descriptors=count)
    assert objections(run_of(*[changed] * 6)) == [f"descriptors of host: 30 before, {count} at the end"]


def test_threads_that_came_are_named() -> None:
    changed = evolve(HOST, threads=12, thread_names={"main": 9, "timer": 3})
    assert objections(run_of(*[changed] * AROUND)) == ["threads of host: 10 before, 12 at the end (main -1, timer +3)"]


def test_five_samples_of_eleven_are_noise() -> None:
    assert objections(run_of(*[evolve(HOST, bytes=90 * MB, descriptors=60, threads=60)] * 5)) == []


def test_growth_during_the_warm_up_does_not_count() -> None:
    samples = run_of()
    small = evolve(HOST, bytes=MB, descriptors=3, threads=1, segments=0)
    assert objections([*(evolve(each, holdings=[small]) for each in samples[:18]), *samples[18:]]) == []


def test_another_process_of_the_same_name_is_seen() -> None:
    assert objections(run_of(evolve(HOST, pid=8))) == ["the processes changed during the run"]


def test_the_written_summary_of_a_process() -> None:
    """What the verdict compares, the extremes, the value at each checkpoint, and the threads that came."""
    last = evolve(HOST, bytes=41 * MB, anonymous_bytes=36 * MB, threads=11, thread_names={"main": 10, "timer": 1})
    written = summary(run_of(*[last] * AROUND))
    assert written["compared"] == [200_000, 950_000]
    assert written["checkpoints"] == [0, 50_000, 100_000, 200_000, 350_000, 500_000, 750_000, 1_000_000]
    assert written["seconds"] == 100
    processes = written["processes"]
    assert isinstance(processes, dict)
    host = processes["host"]
    at = [35 * MB] * 7 + [36 * MB]
    assert host["anonymous"] == {"before": 35 * MB, "after": 36 * MB, "least": 35 * MB, "most": 36 * MB, "at": at}
    assert host["threads"] == {"before": 10, "after": 11, "least": 10, "most": 11, "at": [10] * 7 + [11]}
    assert host["threads that changed"] == "timer +1"


def test_a_process_that_did_not_run_at_a_checkpoint() -> None:
    samples = run_of()
    written = summary([evolve(samples[0], holdings=[]), *samples[1:]])
    processes = written["processes"]
    assert isinstance(processes, dict)
    assert processes["host"]["descriptors"]["at"] == [None, *[30] * 7]


def test_table() -> None:
    grown = evolve(HOST, bytes=41 * MB, threads=11)
    assert soak_table(run_of(*[grown] * AROUND)).splitlines() == [
        "| process | PSS after 200000 | after 950000 | growth | without files | descriptors | threads | segments |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| host | 40.0 MB | 41.0 MB | +1.0 MB | +1.0 MB | 30 → 30 | 10 → 11 | 4 → 4 |",
    ]
