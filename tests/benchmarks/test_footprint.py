"""The arithmetic of the footprint, with figures that can be checked by hand."""

from __future__ import annotations

from benchmarks.footprint import Footprint, footprint_table, objections, private

MB = 1_000_000


def found(worker: int) -> Footprint:
    return Footprint(worker * MB, 12 * MB, 11 * MB, 10 * MB, worker_alone=22 * MB)


def test_medians_over_the_rounds() -> None:
    assert footprint_table([found(20), found(21), found(90)]).splitlines()[2:] == [
        "| worker | 21.0 MB | 11.0 MB |",
        "| Python with numpy | 12.0 MB | 10.0 MB |",
        "| beyond the author's imports | 9.0 MB | 1.0 MB |",
        "| worker, no such Python beside it | 22.0 MB | – |",
    ]


def test_twenty_five_megabytes_beyond_the_imports_are_allowed() -> None:
    assert objections([found(37)]) == []
    assert objections([found(38)]) == ["26.0 MB beyond the author's imports, 25 MB allowed"]


def test_private_pages_are_clean_or_dirty() -> None:
    assert private({"Private_Clean": 1, "Private_Dirty": 2, "Shared_Clean": 4}) == 3
