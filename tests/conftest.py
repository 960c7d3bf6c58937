"""Settings of the whole test run."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.allowed_skips import forbidden, read_allowed
from tests.support.measure import figures

# Waits end soon, or a little later on a busy machine; a limit is only for those that would never end.
os.environ.setdefault("PYTRITON_TEST_PATIENCE", "6")

LEFT_OUT = (
    *("backend", "benchmarks", "cli", "client", "docs", "faults", "host", "plugins", "pytriton", "script", "testing"),
    "worker",
)
"""Folders that PYTRITON_TESTS=short leaves out."""


def pytest_configure() -> None:
    """Handle signals that a background shell or nohup ignores: hosts inherit it, and tests send them these signals."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    if os.environ.get("PYTRITON_TESTS") == "short" and collection_path.parent == Path(__file__).parent:
        return collection_path.name in LEFT_OUT or None
    return None


def _forbidden_skips(config: pytest.Config) -> list[str]:
    if os.environ.get("CI") != "true":
        return []
    # The terminal's own list, because it has the skips of every folder, and those of whole modules.
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = [report.nodeid for report in reporter.stats.get("skipped", [])] if reporter else []
    return forbidden(skipped, read_allowed(Path(__file__).parent / "allowed_skips.txt"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and _forbidden_skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for table in figures.TABLES:
        if lines := table.lines():
            terminalreporter.section(table.title)
            terminalreporter.write_line("\n".join(lines))
    for test_id in _forbidden_skips(config):
        terminalreporter.write_line(
            f"SKIPPED IN CI {test_id}: run it, or allow it in tests/allowed_skips.txt", red=True
        )
