"""The table's arithmetic, with figures that can be checked by hand."""

from __future__ import annotations

import pytest

from benchmarks import table
from benchmarks.command_line import failure
from benchmarks.loads import LOADS
from benchmarks.measure import Measurement, Run
from benchmarks.perf_analyzer import Figure

RATES = {
    "floor": 2000.0,
    "ours": 1500.0,
    "copying": 1600.0,
    "python-backend": 500.0,
    "pytriton": 250.0,
    "empty": 1800.0,
}
GRPC_1 = LOADS[0]


def measured(round_: int, load: str, server: str, per_second: float | None) -> Measurement:
    figure = None if per_second is None else Figure(per_second, p50=1, p90=1, p95=1, p99=1)
    return Measurement(round_, load, server, figure, "" if figure else "not stable")


def full_run(rounds: int = 5, **rates: float) -> Run:
    """Every load, every server, the same rates in each round."""
    chosen = {**RATES, **{name.replace("_", "-"): rate for name, rate in rates.items()}}
    measurements = [
        measured(round_, load.name, server, rate)
        for round_ in range(1, rounds + 1)
        for load in LOADS
        for server, rate in chosen.items()
        if server not in ("copying", "empty") or load.name.startswith("shm")
    ]
    return Run(measurements, servers={name: {"triton": "2.51.0", "sha256": "aa"} for name in RATES})


def test_a_ratio_is_taken_within_its_round() -> None:
    floors, ours = [1000.0, 2000.0, 4000.0], [900.0, 1000.0, 2800.0]
    rounds = [measured(n, "grpc-1", "floor", rate) for n, rate in enumerate(floors)]
    rounds += [measured(n, "grpc-1", "ours", rate) for n, rate in enumerate(ours)]
    assert table.ratios(rounds, "grpc-1", "ours", "floor") == [0.9, 0.5, 0.7]


def test_a_round_without_one_of_the_two_is_no_pair() -> None:
    rounds = [measured(1, "grpc-1", "floor", 1000), measured(1, "grpc-1", "ours", None)]
    rounds += [measured(2, "grpc-1", "ours", 500), measured(3, "grpc-1", "floor", 1000)]
    rounds += [measured(4, "grpc-1", "floor", 1000), measured(4, "grpc-1", "ours", 600)]
    assert table.ratios(rounds, "grpc-1", "ours", "floor") == [0.6]


def test_fractions_and_rates() -> None:
    run = full_run()
    assert table.WITH_PEERS.fractions_table(run, (GRPC_1,)).splitlines() == [
        "| load | ours ÷ floor | ours, copying ÷ floor | python backend ÷ floor | PyTriton ÷ floor | ours ÷ PyTriton "
        "| ours, copying ÷ PyTriton | ours, ctx.empty ÷ floor | ours ÷ python backend |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| 64 B gRPC, 1 client | 0.75 | – | 0.25 | 0.12 | 6.00 | – | – | 3.00 |",
    ]
    (row,) = table.WITH_PEERS.fractions_table(run, LOADS[-1:]).splitlines()[2:]
    assert row == "| 16 MB client shm, 1 client | 0.75 | 0.80 | 0.25 | 0.12 | 6.00 | 6.40 | 0.90 | 3.00 |"
    rates = table.WITH_PEERS.rates_table(run, (GRPC_1,))
    assert rates.splitlines()[2] == "| 64 B gRPC, 1 client | 2000 | 1500 | – | 500 | 250 | – |"


def test_median_of_the_ratios_and_not_ratio_of_the_medians() -> None:
    rates = [(1000.0, 900.0), (2000.0, 1000.0), (4000.0, 2800.0)]
    run = Run([measured(n, "grpc-1", "floor", floor) for n, (floor, _) in enumerate(rates)])
    run.measurements += [measured(n, "grpc-1", "ours", ours) for n, (_, ours) in enumerate(rates)]
    ratios = {"ours/floor": {"median": 0.7, "least": 0.5, "most": 0.9, "pairs": 3}}
    assert table.WITH_PEERS.summary(run, (GRPC_1,))["grpc-1"]["ratios"] == ratios


def test_the_written_file_has_the_rate_of_each_round() -> None:
    """A round that failed is None, and the latencies are medians of the others."""
    run = Run([measured(1, "grpc-1", "ours", 900.0), measured(2, "grpc-1", "ours", None)])
    run.measurements.append(Measurement(3, "grpc-1", "ours", Figure(800.0, p50=3, p90=4, p95=5, p99=9)))
    assert table.WITH_PEERS.summary(run, (GRPC_1,)) == {
        "grpc-1": {"rates": {"ours": {"per_second": [900.0, None, 800.0], "p50_us": 2, "p99_us": 5}}, "ratios": {}}
    }
    (failed,) = [failure(each) for each in run.measurements if each.error]
    assert failed == {"round": 2, "load": "grpc-1", "server": "ours", "error": "not stable"}


def test_missing_figures_are_dashes() -> None:
    run = Run([measured(1, "grpc-1", "ours", 100)])
    row = table.WITH_PEERS.fractions_table(run, (GRPC_1,)).splitlines()[2]
    assert row == "| 64 B gRPC, 1 client | – | – | – | – | – | – | – | – |"


def test_a_full_table_counts() -> None:
    assert table.objections(full_run(), LOADS) == []


def test_four_rounds_do_not_count() -> None:
    found = table.objections(full_run(rounds=4), LOADS)
    assert len(found) == 3 * len(LOADS) + 4  # copying and ctx.empty: with client shm only
    assert found[0] == "64 B gRPC, 1 client: 4 pairs of ours and floor, 5 are needed"


def test_a_skipped_peer_does_not_count() -> None:
    run = full_run()
    run.skipped["pytriton"] = "it is not there"
    assert table.objections(run, LOADS) == ["PyTriton was skipped: it is not there"]


def test_a_table_of_some_loads_does_not_count() -> None:
    assert table.objections(full_run(), LOADS[1:]) == ["left out: 64 B gRPC, 1 client"]


def test_different_servers_do_not_count() -> None:
    run = full_run()
    run.servers["ours"] = {"triton": "2.60.0", "sha256": "bb"}
    assert table.objections(run, LOADS)[0].startswith("the servers are different binaries: floor 2.51.0, ours 2.60.0")


@pytest.mark.parametrize(
    ("floor_over_python_backend", "rows"),
    [
        (3.0, []),
        (2.9, ["strings-1", "shm-16m"]),
        (1.49, ["grpc-1", "grpc-8", "http-1", "strings-1", "shm-16m"]),
        (1.39, ["grpc-1", "grpc-8", "http-1", "strings-1", "shm-600k", "shm-16m"]),
        (1.2, [load.name for load in LOADS]),
    ],
)
def test_a_floor_must_be_a_floor(floor_over_python_backend: float, rows: list[str]) -> None:
    run = full_run(python_backend=RATES["floor"] / floor_over_python_backend)
    refused = table.objections(run, LOADS)
    assert [load.name for load in LOADS if any(line.startswith(load.title) for line in refused)] == rows
    assert len(refused) == len(rows)
