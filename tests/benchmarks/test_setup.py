"""The files that setup takes out of wheels, and the errors for missing files."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks.cache import Cache
from benchmarks.errors import BenchmarkError, NotInstalled
from benchmarks.report import default_file
from benchmarks.setup import extract_folders, extract_one, run


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "some-1.0.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("server/bin/program", "server.libs/library.so", "client/other.py"):
            archive.writestr(name, name)
    return path


def test_one_file_of_a_wheel(wheel: Path, tmp_path: Path) -> None:
    extract_one(wheel, "server/bin/program", tmp_path / "bin" / "renamed")
    assert (tmp_path / "bin" / "renamed").read_text() == "server/bin/program"


def test_only_the_folders_asked_for(wheel: Path, tmp_path: Path) -> None:
    extract_folders(wheel, ("server/", "server.libs/"), tmp_path / "out")
    files = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert files == ["server.libs/library.so", "server/bin/program"]


def test_an_empty_cache_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match=f"{sys.executable} -m benchmarks setup --dir {tmp_path}"):
        Cache(tmp_path).load_generator()


def test_a_step_that_fails_is_one_line() -> None:
    with pytest.raises(BenchmarkError, match=r"failed with exit 4: the reason$"):
        run(["sh", "-c", "echo first >&2; echo the reason >&2; exit 4"])


def test_results_of_a_day_are_never_overwritten(tmp_path: Path) -> None:
    first = default_file("-start", tmp_path)
    first.touch()
    second = default_file("-start", tmp_path)
    assert first.stem.endswith("-start")
    assert second.stem == f"{first.stem}-2"
