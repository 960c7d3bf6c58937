"""The comparison of calls between models: its arithmetic with figures that can be checked by hand, and its models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from attrs import evolve

from benchmarks.cache import Cache
from benchmarks.calls.rows import ROWS, Row, rows_named
from benchmarks.calls.servers import ENSEMBLES
from benchmarks.calls.study import Study, Timing, in_turn
from benchmarks.calls.summary import facts, limits_not_met, objections, ratios, ratios_table, report, times_table
from benchmarks.errors import BenchmarkError
from benchmarks.models.timed_calls import nanoseconds
from benchmarks.perf_analyzer import Window
from benchmarks.servers.models import OF_OUR_CALLS

CALLS = {"calls": 100.0, "grpc": 400.0, "bls": 200.0}
TIMES = {**CALLS, "chained": 260.0, "chained_wide": 220.0, "pipeline": 300.0, "ensemble": 200.0}
NESTED, PIPELINE, LARGE = ROWS[0], ROWS[3], ROWS[5]


def study(rounds: int = 5, rows: tuple[Row, ...] = ROWS, **times: float) -> Study:
    """A study in which each way has the same time in every round and row."""
    found = Study(Cache(Path("/none")), Path("/none"), rounds, Window(), rows)
    chosen = {**TIMES, **times}
    found.timings = [
        Timing(round_, row.name, way, chosen[way], p50=chosen[way], p99=2 * chosen[way])
        for round_ in range(1, rounds + 1)
        for row in rows
        for way in row.ways
    ]
    found.servers = {name: {"triton": "2.51.0", "sha256": "aa"} for name in ("ours", "python-backend")}
    return found


def test_the_tables_have_ratios_limits_and_latencies() -> None:
    some = study(rows=(NESTED, PIPELINE))
    assert ratios_table(some).splitlines()[2:] == [
        "| 64 B, nested call | ctx.models ÷ tritonclient | 0.25 (0.25 to 0.25) | 0.60 |",
        "| 64 B, nested call | ctx.models ÷ BLS | 0.50 (0.50 to 0.50) | 0.75 |",
        "| 64 B gRPC, 1 client, three models | the first calls two ÷ ensemble | 1.30 (1.30 to 1.30) | 1.30 |",
        "| 64 B gRPC, 1 client, three models | a fourth calls three ÷ ensemble | 1.50 (1.50 to 1.50) | – |",
    ]
    assert times_table(some).splitlines()[3] == "| 64 B, nested call | tritonclient | 400 | 800 |"


def test_a_ratio_is_taken_within_its_round() -> None:
    some = study(rounds=3)
    some.timings[0] = evolve(some.timings[0], time=None, error="gone")
    assert ratios(some.timings, NESTED.name, "calls", "bls") == [0.5, 0.5]


def test_five_rounds_with_every_row_count() -> None:
    assert objections(study()) == []
    assert limits_not_met(study()) == []
    assert report(study()).splitlines()[-1] == "these figures count"


def test_four_rounds_do_not_count() -> None:
    found = objections(study(rounds=4))
    assert found[0] == "64 B, nested call: 4 pairs of ctx.models and tritonclient, 5 are needed"
    assert len(found) == sum(len(row.pairs) for row in ROWS)


def test_some_rows_and_a_peer_that_is_skipped_do_not_count() -> None:
    some = study(rows=ROWS[1:])
    some.timings = [each for each in some.timings if each.way != "bls"]
    some.skipped["python-backend"] = "it is not there"
    assert objections(some) == ["python-backend was skipped: it is not there", "left out: 64 B, nested call"]
    assert limits_not_met(some) == ["limits without a figure: 1"]


def test_each_limit_that_is_not_met_is_named() -> None:
    assert limits_not_met(study(calls=151.0, rounds=5)) == [
        "64 B, nested call: ctx.models ÷ BLS is 0.76, limit 0.75: not met",
        "16 MB, nested call: ctx.models ÷ BLS is 0.76, limit 0.50: not met",
    ]


def test_the_file_has_the_time_of_each_round() -> None:
    some = study(rounds=2, rows=(PIPELINE,))
    some.timings[-1] = Timing(2, PIPELINE.name, "ensemble", error="not stable")
    found = facts(some)
    assert found["failed"] == ["round 2, grpc-1, ensemble: not stable"]
    assert found["rows"] == {
        "grpc-1": {
            "times": {
                "chained": {"us": [260.0, 260.0], "p50_us": 260.0, "p99_us": 520.0},
                "pipeline": {"us": [300.0, 300.0], "p50_us": 300.0, "p99_us": 600.0},
                "ensemble": {"us": [200.0, None], "p50_us": 200.0, "p99_us": 400.0},
            },
            "ratios": {
                "chained/ensemble": {"median": 1.3, "least": 1.3, "most": 1.3, "pairs": 1},
                "pipeline/ensemble": {"median": 1.5, "least": 1.5, "most": 1.5, "pairs": 1},
            },
        }
    }


def test_every_second_round_is_reversed() -> None:
    assert [in_turn(NESTED, round_) for round_ in (1, 2)] == [("calls", "grpc", "bls"), ("bls", "grpc", "calls")]


def test_an_unknown_row_is_refused() -> None:
    assert [row.name for row in rows_named("grpc-8,nested-64")] == ["nested-64", "grpc-8"]
    with pytest.raises(BenchmarkError, match="unknown row grpc-32; choose from nested-64"):
        rows_named("grpc-32")


def test_each_call_is_timed_and_must_return_its_input() -> None:
    assert nanoseconds(lambda x: x.copy(), elements=3, calls=4).shape == (4,)
    with pytest.raises(ValueError, match="call 0 of the identity model returned another array"):
        nanoseconds(lambda x: x + np.float32(1), elements=3, calls=4)


def test_the_ensemble_has_the_models_of_the_pipeline() -> None:
    text = (ENSEMBLES / "ensemble" / "config.pbtxt").read_text()
    steps = [line.split('"')[1] for line in text.splitlines() if "model_name" in line]
    assert steps == ["doubled", "shifted", "halved"]
    assert set(steps) < set(OF_OUR_CALLS.names)


def test_only_the_pipeline_of_as_many_models_as_the_ensemble_has_the_limit() -> None:
    slow = study(pipeline=1000.0)
    assert limits_not_met(slow) == []
    assert list(PIPELINE.pairs) == [("chained", "ensemble"), ("pipeline", "ensemble")]


def test_with_large_requests_a_caller_with_several_threads_has_the_limit() -> None:
    assert LARGE.pairs[0] == ("chained_wide", "ensemble")
    assert limits_not_met(study(chained_wide=270.0, rows=(LARGE,))) == [
        f"{LARGE.title}: the first calls two, threads=8 ÷ ensemble is 1.35, limit 1.30: not met"
    ]
