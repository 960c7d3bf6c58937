"""The arithmetic of the start table, with figures that can be checked by hand."""

from __future__ import annotations

from benchmarks.start import Start, bytes_of_imports, facts, is_worker, starts_table

MB = 1_000_000


def test_start_table_takes_medians() -> None:
    starts = [
        Start("ours", 1, 1, 1.0, 50 * MB, [20 * MB], 15 * MB),
        Start("ours", 1, 2, 1.2, 60 * MB, [21 * MB], 15 * MB),
        Start("ours", 1, 3, 9.0, 70 * MB, [30 * MB], 15 * MB),
        Start("pytriton", 1, 1, 3.0, 150 * MB, [], 0),
    ]
    assert starts_table(starts, [1, 10]).splitlines()[2:] == [
        "| ours | 1 | 1.20 s | 60 MB | 21.0 MB | 6.0 MB |",
        "| PyTriton | 1 | 3.00 s | 150 MB | – | – |",
    ]


def test_of_the_workers_of_a_start_the_median_is_written() -> None:
    start = Start("ours", 3, 1, 1.0, 50 * MB, [20 * MB, 22 * MB, 21 * MB], 15 * MB)
    assert facts(start)["worker_bytes"] == {"median": 21 * MB, "least": 20 * MB, "most": 22 * MB, "workers": 3}
    assert facts(Start("pytriton", 1, 1, 3.0, 150 * MB, [], 0))["worker_bytes"] == {}


def test_worker_is_known_by_its_command_line() -> None:
    assert is_worker(["python", "-m", "pytriton_plugins.worker", "--fd", "3"])
    assert not is_worker(["python", "-m", "pytriton_plugins.cli.entry"])


def test_memory_of_the_imports_is_that_of_a_python_with_numpy() -> None:
    assert 4 * MB < bytes_of_imports(2) < 80 * MB
