"""The options of `python -m benchmarks`."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import observe
from benchmarks.cache import DEFAULT_FOLDER
from benchmarks.calls.rows import ROWS
from benchmarks.faults.rows import ROWS as FAULTS
from benchmarks.loads import FURTHER, LOADS
from benchmarks.servers import STARTERS

COMMANDS = (
    "table",
    "setup",
    "start",
    "observe",
    "soak",
    "footprint",
    "faults",
    "arenas",
    "versions",
    "attached",
    "calls",
)


def parser() -> argparse.ArgumentParser:
    """Options of the table, and those of the other commands."""
    top = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure this checkout side by side with its peers."
    )
    top.add_argument("command", nargs="?", choices=COMMANDS, default="table")
    top.add_argument(
        "--dir",
        type=full_path,
        default=DEFAULT_FOLDER,
        help="folder of the load generator and the peers (default: %(default)s)",
    )
    top.add_argument(
        "--tritonserver",
        type=full_path,
        help="tritonserver for ours and the floor (default: the peers' own; soak, footprint: the bundled one, if any)",
    )
    top.add_argument("--without", action="append", default=[], choices=[*STARTERS], help="leave a server out")
    top.add_argument("--rounds", type=int, help="number of rounds (default: 5; start: 3; versions: 10)")
    top.add_argument(
        "--quick", action="store_true", help="one round with short windows: for a quick look, not for a report"
    )
    top.add_argument(
        "--json", type=Path, metavar="FILE", help="file of the figures (default: results/DAY.json; --quick: none)"
    )
    top.add_argument(
        "--loads",
        metavar="NAME,…",
        help=f"loads to send: {', '.join(load.name for load in (*LOADS, *FURTHER))} "
        f"(default: the table's; observe: {observe.LOADS}); "
        f"calls: rows to measure: {', '.join(row.name for row in ROWS)} (default: all)",
    )
    top.add_argument(
        "--window", type=int, default=2500, metavar="MS", help="length of a window, perf_analyzer -p (default: 2500)"
    )
    _add_options_of_one_command(top)
    return top


def _add_options_of_one_command(top: argparse.ArgumentParser) -> None:
    """Options whose help begins with the command that they belong to."""
    top.add_argument(
        "--before",
        type=absolute_path,
        metavar="PYTHON",
        help="versions: Python of the environment that has the earlier version",
    )
    top.add_argument(
        "--runs", type=int, default=5, metavar="N", help="faults: runs of each row and server (default: %(default)s)"
    )
    top.add_argument(
        "--rows", default=",".join(FAULTS), metavar="NAME,…", help="faults: rows to run (default: %(default)s)"
    )
    top.add_argument(
        "--models", default="1,10,50", metavar="N,…", help="start: numbers of models to serve (default: 1,10,50)"
    )
    top.add_argument(
        "--server",
        choices=["ours", "floor"],
        default="ours",
        help="soak: server to measure; no client leaves the floor (default: ours)",
    )
    top.add_argument(
        "--requests", type=int, default=1_000_000, metavar="N", help="soak: number of requests (default: %(default)s)"
    )
    top.add_argument(
        "--leaving",
        type=float,
        default=0.01,
        metavar="SHARE",
        help="soak: share of requests whose client leaves before the answer (default: %(default)s)",
    )


def full_path(text: str) -> Path:
    """The absolute path: the servers run in folders of their own, where a relative path means another file."""
    return Path(text).expanduser().resolve()


def absolute_path(text: str) -> Path:
    """The same, but a link stays one: the Python of a virtual environment is a link."""
    return Path(text).expanduser().absolute()
