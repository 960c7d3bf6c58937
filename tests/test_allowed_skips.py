"""The rule about skipped tests, checked with a pytest run of another suite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.allowed_skips import read_allowed

TESTS = Path(__file__).parent
SUITE = "import pytest\n\ndef test_runs(): pass\n\n@pytest.mark.skip\ndef test_skipped(): pass\n"


def run_suite(folder: Path, allowed: str, ci: str) -> subprocess.CompletedProcess[str]:
    """Run one passing and one skipped test under this suite's conftest."""
    shutil.copy(TESTS / "conftest.py", folder)
    (folder / "allowed_skips.txt").write_text(allowed)
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {TESTS.parent}\n")
    (folder / "test_suite.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(command, cwd=folder, env={**os.environ, "CI": ci}, capture_output=True, text=True)


def test_a_skip_fails_the_run_in_ci_and_is_named(tmp_path: Path) -> None:
    ended = run_suite(tmp_path, "", ci="true")
    assert ended.returncode == 1
    assert "SKIPPED IN CI test_suite.py::test_skipped: run it" in ended.stdout
    assert "1 passed, 1 skipped" in ended.stdout


@pytest.mark.parametrize(("allowed", "ci"), [("", ""), ("test_suite.py::test_skipped -- nothing to see\n", "true")])
def test_a_skip_passes_where_it_is_allowed(tmp_path: Path, allowed: str, ci: str) -> None:
    ended = run_suite(tmp_path, allowed, ci)
    assert (ended.returncode, "SKIPPED IN CI" in ended.stdout) == (0, False)


def test_an_allowed_skip_needs_a_reason(tmp_path: Path) -> None:
    listed = tmp_path / "allowed_skips.txt"
    listed.write_text("# comment\n\ntests/test_a.py::test_b\n")
    with pytest.raises(ValueError, match=r"'tests/test_a.py::test_b' gives no reason; write TEST_ID -- REASON"):
        read_allowed(listed)
