"""perf_analyzer, the load generator: its command line, one run of it, and its CSV."""

from __future__ import annotations

import csv
import io
import subprocess
import tempfile
from pathlib import Path

from attrs import frozen

from benchmarks.errors import BenchmarkError
from benchmarks.loads import Load

RUN_TIMEOUT_SECONDS = 120.0


@frozen
class Window:
    """The windows of perf_analyzer: `milliseconds` each, until three in a row agree, at most `trials`."""

    milliseconds: int = 2500
    stability_percent: int = 40
    trials: int = 4

    def arguments(self) -> list[str]:
        """The options of perf_analyzer for these windows."""
        return ["-p", str(self.milliseconds), "-s", str(self.stability_percent), "-r", str(self.trials)]


@frozen
class Figure:
    """The result of one run; latencies in microseconds."""

    per_second: float
    p50: float
    p90: float
    p95: float
    p99: float


@frozen
class PerfAnalyzer:
    """The program and the folder of its shared libraries."""

    program: Path
    libraries: Path

    def measure(self, load: Load, http_port: int, grpc_port: int, window: Window) -> Figure:
        """Send `load` to a server on this machine and return the figures."""
        port = grpc_port if load.protocol == "grpc" else http_port
        with tempfile.TemporaryDirectory(prefix="perf-analyzer-") as folder:
            report = Path(folder, "report.csv")
            arguments = [*load.arguments(), "-u", f"127.0.0.1:{port}", *window.arguments(), "-f", str(report)]
            try:
                answer = self._run(arguments, RUN_TIMEOUT_SECONDS)
            finally:
                _remove_shared_memory()
            if answer.returncode or not report.exists():
                raise BenchmarkError(f"perf_analyzer, {load.name}, exit {answer.returncode}: {last_line(answer)}")
            return parse_report(report.read_text())

    def _run(self, arguments: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
        command = [str(self.program), *arguments]
        environment = {"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": str(self.libraries)}
        try:
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise BenchmarkError(f"perf_analyzer timed out after {timeout:g} s: {' '.join(arguments)}") from error


def _remove_shared_memory() -> None:
    # perf_analyzer names its segments after the tensors, and does not remove them if it fails.
    for name in ("x", "y"):
        Path("/dev/shm", name).unlink(missing_ok=True)


def last_line(answer: subprocess.CompletedProcess[str]) -> str:
    """The last line that a program printed."""
    lines = (answer.stderr.strip() or answer.stdout.strip()).splitlines()
    return lines[-1] if lines else "no output"


def parse_report(text: str) -> Figure:
    """The figures in perf_analyzer's CSV report, which has one line for the one concurrency."""
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row.get("Concurrency")]
    if len(rows) != 1:
        raise BenchmarkError(f"perf_analyzer's report has {len(rows)} lines of figures, not 1")
    latency = {f"p{percent}": _number(rows[0], f"p{percent} latency") for percent in (50, 90, 95, 99)}
    figure = Figure(per_second=_number(rows[0], "Inferences/Second"), **latency)
    if figure.per_second <= 0:
        raise BenchmarkError("perf_analyzer's report has no answered request")
    return figure


def _number(row: dict[str, str], column: str) -> float:
    try:
        return float(row[column])
    except (KeyError, TypeError, ValueError):
        raise BenchmarkError(f"perf_analyzer's report has no number in column {column!r}") from None
