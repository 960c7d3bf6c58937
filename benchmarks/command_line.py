"""The commands: the table and the others."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from attrs import asdict
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks import arenas, attached, footprint, observe, report, start, versions
from benchmarks.cache import Cache
from benchmarks.calls import rows as calls
from benchmarks.calls import summary as calls_summary
from benchmarks.calls.study import Study as Calls
from benchmarks.errors import BenchmarkError
from benchmarks.faults import run as faults
from benchmarks.loads import Load, loads_named
from benchmarks.measure import Measurement, Plan, Run
from benchmarks.options import parser
from benchmarks.perf_analyzer import Window
from benchmarks.servers import EMPTY, STARTERS, TITLES
from benchmarks.servers.models import OF_THE_SOAK
from benchmarks.servers.ours import bundled_tritonserver
from benchmarks.servers.server import free_place
from benchmarks.setup import LOAD_GENERATOR, Setup
from benchmarks.soak import verdict
from benchmarks.soak.run import Soak
from benchmarks.soak.summary import summary
from benchmarks.table import WITH_PEERS, Comparison

GENERATOR = f"perf_analyzer ({LOAD_GENERATOR})"
QUICK = Window(milliseconds=500)


def compare(options: argparse.Namespace, comparison: Comparison, default_loads: str | None, suffix: str) -> None:
    """Measure the servers side by side, print the tables and write the figures."""
    loads = loads_named(options.loads or default_loads)
    window = QUICK if options.quick else Window(options.window)
    run = Run()
    try:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, progress() as bar:
            task = bar.add_task("", total=None)
            Plan(
                Cache(options.dir),
                Path(folder),
                loads,
                options.rounds or (1 if options.quick else 5),
                window,
                frozenset(options.without),
                options.tritonserver,
                comparison.starters,
                comparison.titles,
                lambda text, done, total: bar.update(task, description=text, completed=done, total=total),
            ).run(run)
    finally:
        # Also after an interruption, so that half an hour of figures is not lost.
        if run.measurements:
            print_tables(comparison, run, loads, window)
            write(options, facts(comparison, run, loads, window), suffix)


def facts(comparison: Comparison, run: Run, loads: tuple[Load, ...], window: Window) -> dict[str, object]:
    """The content of the file for a run."""
    return {
        "load_generator": GENERATOR,
        "window": asdict(window),
        "servers": run.servers,
        "skipped": sorted(run.skipped),
        "objections": comparison.objections(run, loads),
        "failed": [failure(each) for each in run.measurements if each.error],
        "loads": comparison.summary(run, loads),
    }


def failure(measurement: Measurement) -> dict[str, object]:
    """The content of the file for a run of the load generator that gave no figure."""
    return asdict(measurement, filter=lambda attribute, _: attribute.name != "figure")


def print_tables(comparison: Comparison, run: Run, loads: tuple[Load, ...], window: Window) -> None:
    """Print ratios, rates, and whether they count."""
    print(comparison.fractions_table(run, loads), comparison.rates_table(run, loads), sep="\n\n", end="\n\n")
    print(f"load generator: {GENERATOR} {' '.join(window.arguments())}; checkout {report.checkout()}")
    for name, server in run.servers.items():
        print(f"{comparison.titles[name]}: Triton {server['triton']}, {server['binary']} {server['sha256'][:12]}")
    for each in run.measurements:
        if each.error:
            print(f"failed: round {each.round}, {each.load}, {comparison.titles[each.server]}: {each.error}")
    objections = comparison.objections(run, loads)
    print(*(f"does not count: {each}" for each in objections), sep="\n") if objections else print("this table counts")


def run_versions(options: argparse.Namespace) -> None:
    """Print and write the rates of this checkout beside those of an earlier version."""
    if options.before is None:
        raise BenchmarkError("versions: --before PYTHON is missing; name a Python that has the earlier version")
    options.rounds = options.rounds or (None if options.quick else versions.ROUNDS)
    compare(options, versions.comparison(options.before), versions.LOADS, "-versions")


def run_start(options: argparse.Namespace) -> None:
    """Print the times to ready and the memory, and write them."""
    counts = [int(each) for each in options.models.split(",")]
    rounds = options.rounds or (1 if options.quick else 3)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, progress() as bar:
        task = bar.add_task("", total=None)
        study = start.Study(
            Cache(options.dir),
            Path(folder),
            rounds,
            frozenset({"floor", EMPTY, *options.without}),
            options.tritonserver,
            lambda text, done, total: bar.update(task, description=text, completed=done, total=total),
        )
        study.run(counts)
    print(start.starts_table(study.starts, counts))
    print(*(f"skipped: {TITLES[name]}: {reason}" for name, reason in study.skipped.items()), sep="\n")
    write(options, {"starts": [start.facts(each) for each in study.starts], "skipped": sorted(study.skipped)}, "-start")


def run_calls(options: argparse.Namespace) -> list[str]:
    """Print and write what calls between models cost, also after an interruption; returns the limits not met."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, progress() as bar:
        task = bar.add_task("", total=None)
        study = Calls(
            Cache(options.dir),
            Path(folder),
            options.rounds or (1 if options.quick else 5),
            QUICK if options.quick else Window(options.window),
            calls.rows_named(options.loads),
            0.1 if options.quick else 1.0,
            frozenset(options.without),
            options.tritonserver,
            lambda text, done, total: bar.update(task, description=text, completed=done, total=total),
        )
        try:
            study.run()
        finally:
            if study.timings:
                print(calls_summary.report(study))
                write(options, calls_summary.facts(study), "-calls")
    return calls_summary.limits_not_met(study)


def run_soak(options: argparse.Namespace) -> list[str]:
    """Print and write what each process held, and return what grew."""
    binary = options.tritonserver or bundled_tritonserver()
    ours = options.server == "ours"
    leaving = options.leaving if ours else 0.0
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, progress() as bar:
        task = bar.add_task("requests", total=options.requests)
        place = free_place(Path(folder) / options.server, binary)
        with STARTERS[options.server](Cache(options.dir), OF_THE_SOAK, place) as server:
            described = server.describe()
            soak = Soak(server.pid, place, options.requests, leaving)
            soak.progress = lambda sample: bar.update(task, completed=sample.requests)
            try:
                soak.run()
            except BenchmarkError as error:
                raise BenchmarkError(f"{error}; the end of the server's log: {server.last_lines()}") from None
    grown = verdict.objections(soak.samples)
    print(verdict.soak_table(soak.samples), "", *(f"{end}: {n}" for end, n in sorted(soak.ends.items())), sep="\n")
    print(f"{options.requests} requests in {soak.samples[-1].seconds:.0f} s; Triton {described['triton']}")
    found = {"server": described, "ends": soak.ends, "objections": grown, "leaving": leaving}
    write(options, {**found, **summary(soak.samples)}, "-soak" if ours else "-soak-floor")
    return grown


def run_footprint(options: argparse.Namespace) -> list[str]:
    """Print and write the memory of an idle worker, and return what exceeds the limit."""
    binary = options.tritonserver or bundled_tritonserver()
    rounds = options.rounds or (1 if options.quick else 5)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        places = [Path(folder) / str(number) for number in range(rounds)]
        found = [footprint.measure(Cache(options.dir), place, binary) for place in places]
    print(footprint.footprint_table(found))
    write(options, {"footprints": [asdict(each) for each in found]}, "-footprint")
    return footprint.objections(found)


def run_faults(options: argparse.Namespace) -> None:
    """Print and write what the servers did under each fault, also after an interruption."""
    # SIGINT is ignored in a shell's background job. The servers would inherit that, and one row sends them SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, progress() as bar:
        task = bar.add_task("", total=None)
        run = faults.Faults(
            Cache(options.dir),
            Path(folder),
            frozenset(options.without),
            faults.rows_named(options.rows),
            lambda text, done, total: bar.update(task, description=text, completed=done, total=total),
        )
        try:
            run.run(1 if options.quick else options.runs)
        finally:
            print(faults.faults_table(run.outcomes))
            print(*(f"skipped: {TITLES[name]}: {reason}" for name, reason in run.skipped.items()), sep="\n")
            print(*(f"failed: {each}" for each in run.outcomes if each.error), sep="\n")
            write(options, faults.facts(run), "-faults")


def judge(objections: list[str], good: str) -> int:
    """Print the objections, or `good` without any; returns the exit status."""
    print(*(objections or [good]), sep="\n")
    return 1 if objections else 0


def write(options: argparse.Namespace, facts: dict[str, object], suffix: str) -> None:
    """Write `facts` to the file of `--json`, or to results/ unless `--quick` is set."""
    file = options.json or (None if options.quick else report.default_file(suffix))
    if file:
        report.write(file, facts)
        print(f"figures: {file}")
        if file.parent == report.RESULTS:
            print(*report.unquoted([file]), sep="\n")


def progress() -> Progress:
    """A bar on standard error if that is a terminal, otherwise nothing."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def main() -> int:
    """Run the command; returns its exit status."""
    options = parser().parse_args()
    # sys.exit runs the context managers that end the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if options.command == "setup":
            Setup(Cache(options.dir)).run()
        elif options.command == "start":
            run_start(options)
        elif options.command == "observe":
            compare(options, observe.COMPARISON, observe.LOADS, "-observe")
        elif options.command == "arenas":
            compare(options, arenas.COMPARISON, arenas.LOADS, "-arenas")
        elif options.command == "versions":
            run_versions(options)
        elif options.command == "attached":
            compare(options, attached.COMPARISON, attached.LOADS, "-attached")
        elif options.command == "calls":
            return judge(run_calls(options), "every limit is met")
        elif options.command == "soak":
            return judge(run_soak(options), "nothing grew")
        elif options.command == "footprint":
            return judge(run_footprint(options), "small enough")
        elif options.command == "faults":
            run_faults(options)
        else:
            compare(options, WITH_PEERS, None, "")
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
