"""The table of faults: its arithmetic, and the processes of a server. No server is started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cache import Cache
from benchmarks.errors import BenchmarkError
from benchmarks.faults.rows import FIGURES, LIMIT_SECONDS, ROWS, Figure, known, lost
from benchmarks.faults.run import Faults, Outcome, cell, facts, faults_table, rows_named
from benchmarks.faults.subject import Subject
from benchmarks.servers import Server
from benchmarks.servers.server import free_place
from tests.support.traffic.load import Sent


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    """The subject of a server that is not started."""
    place = free_place(tmp_path / "place")
    return Subject("ours", Server("ours", [], {}, place, [], Path()), "mark-of-the-test", tmp_path / "tmp")


@pytest.mark.parametrize(
    ("unit", "found", "text"),
    [
        ("s", [0.5, 0.1, 0.2], "0.20 s, worst 0.50 s"),
        ("s", [0.2, 0.2], "0.20 s"),
        ("s", [None, None], "never within 30 s"),
        ("s", [1.0, None, 1.0], "1.00 s; never in 1 of 3"),
        ("", [0, 0, 7], "0, worst 7"),
        ("B", [0, 500, 4_200_000], "0.5 kB, worst 4.2 MB"),
        ("code", [0, -15, 0, None], "0, -15, still running"),
        ("%", [100, 100], "100 %"),
        ("s", [], ""),
    ],
)
def test_a_cell_has_median_and_worst(unit: str, found: list[float | None], text: str) -> None:
    assert cell(Figure("stop", "key", "title", unit), found) == text  # type: ignore[arg-type]


def test_the_table_has_a_line_for_each_figure_that_somebody_has() -> None:
    outcomes = [
        Outcome("batch", "ours", 1, {"neighbours_lost": 0, "paths": 0}),
        Outcome("batch", "pytriton", 1, {"neighbours_lost": 7, "paths": 8}),
        Outcome("batch", "pytriton", 2, {}, error="PyTriton did not start"),
    ]
    assert faults_table(outcomes).splitlines()[2:] == [
        "| 10 one of 8 in a batch raises: other requests that fail | 0 | 7 |",
        "| … answers that show the traceback | 0 | 8 |",
    ]


def test_the_written_file_has_the_figure_of_each_round(tmp_path: Path) -> None:
    """And the errors of all rounds together."""
    run = Faults(Cache(tmp_path), tmp_path, frozenset())
    run.outcomes = [
        Outcome("hang", "ours", 1, {"freed": 1.0, "ready": 100.0}, {"closed": 1}),
        Outcome("hang", "ours", 2, {"freed": None, "ready": 100.0}, {"refused": 2, "closed": 1}),
        Outcome("hang", "pytriton", 1, {}, error="PyTriton did not start"),
    ]
    written = facts(run)
    figures = {"freed": [1.0, None], "again": [], "ready": [100.0, 100.0]}
    assert written["rows"] == {
        "hang": {
            "ours": {"figures": figures, "errors": {"closed": 2, "refused": 2}},
            "pytriton": {"figures": {key: [] for key in figures}, "errors": {}},
        }
    }
    assert written["failed"] == [{"row": "hang", "server": "pytriton", "round": 1, "error": "PyTriton did not start"}]


def test_every_row_has_figures_and_every_figure_a_row() -> None:
    assert {figure.row for figure in FIGURES} == set(ROWS)


def test_rows_are_named_as_they_are() -> None:
    assert rows_named("stop,batch") == ["stop", "batch"]
    with pytest.raises(BenchmarkError, match="--rows: unknown row crash; choose from stop, interrupt, worker"):
        rows_named("stop,crash")


def test_a_client_that_gave_up_never_knew() -> None:
    soon, gave_up = Sent("grpc", 1.0, 2.5, "closed"), Sent("grpc", 1.0, 1.0 + LIMIT_SECONDS, "Deadline Exceeded")
    assert known([soon, Sent("grpc", 1.0, 1.5)], 1.2) == pytest.approx(1.3)
    assert known([soon, gave_up], 1.2) is None
    assert known([], 1.2) == 0
    assert lost("later", [soon, Sent("grpc", 1.0, 1.5)]) == {"later": 2, "later_lost": 1}


def test_a_process_with_the_mark_is_a_member_until_it_ends(subject: Subject) -> None:
    command = [sys.executable, "-c", "print(flush=True); input()"]
    env = {"BENCHMARK_MARK": "mark-of-the-test"}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert [member.pid for member in subject.members()] == [child.pid]
        child.communicate(b"\n")
    assert subject.members() == []


def test_errors_of_clients_are_kept_without_paths(subject: Subject) -> None:
    subject.note(
        [
            Sent("grpc", 0, 1),
            Sent("grpc", 0, 1, 'in "/home/me/a.py", line 3\nTraceback'),
            Sent("grpc", 0, 1, "127.0.0.1:80 refused"),
        ]
    )
    assert subject.errors == {'in "… line 3': 1, "127.0.0.1:80 refused": 1}
