"""The benchmarks measure the installed framework of this checkout, and report any other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pytriton_plugins
from benchmarks.cache import Cache
from benchmarks.errors import NotInstalled
from benchmarks.installed import CHECKOUT, LIBRARY, difference, framework, needs_http
from benchmarks.servers.floor import start_floor
from benchmarks.servers.models import OF_THE_TABLE
from benchmarks.servers.ours import bundled_tritonserver
from benchmarks.servers.server import free_place


def test_the_installed_framework_is_found_and_is_this_checkouts() -> None:
    """The checkout has no compiled backend, and has the same files."""
    assert framework() == Path(pytriton_plugins.__file__).parent
    assert framework() != CHECKOUT / "pytriton_plugins"
    assert (framework() / LIBRARY).is_file()


def test_a_difference_between_checkout_and_installation_is_found(tmp_path: Path) -> None:
    checkout, installed = tmp_path / "checkout", tmp_path / "installed"
    for folder in (checkout, installed):
        (folder / "backend").mkdir(parents=True)
        (folder / "a.py").write_text("1")
    (checkout / "backend/queue.c").touch()
    assert difference(checkout, installed) == f"{LIBRARY} is missing"
    (installed / LIBRARY).parent.mkdir(parents=True)
    (installed / LIBRARY).touch()
    assert difference(checkout, installed) == ""
    os.utime(installed / LIBRARY, (0, 0))
    assert difference(checkout, installed) == f"{LIBRARY} is older than its sources"
    (checkout / "b.py").touch()
    assert difference(checkout, installed) == "b.py differs"
    (installed / "b.py").write_text("2")
    assert difference(checkout, installed) == "b.py differs"


def test_without_its_packages_it_says_the_command() -> None:
    done = subprocess.run([sys.executable, "-S", "-m", "benchmarks"], cwd=CHECKOUT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.endswith(f" is not installed for this Python: run `{sys.executable} -m pip install '{CHECKOUT}'`")


def test_the_http_client_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's environment has no HTTP client."""
    needs_http()
    monkeypatch.setitem(sys.modules, "tritonclient.http", None)
    with pytest.raises(NotInstalled, match=r"HTTP client is missing: run `.* -m pip install '.*\[http\]'`$"):
        needs_http()


def test_the_table_does_without_the_http_client() -> None:
    program = "import sys; sys.modules['tritonclient.http'] = None; import benchmarks.command_line as c; c.parser()"
    subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, check=True)


def test_the_floor_starts_with_the_installed_package(tmp_path: Path) -> None:
    place = free_place(tmp_path / "floor", bundled_tritonserver())
    with start_floor(Cache(tmp_path), OF_THE_TABLE, place) as floor:
        assert floor.describe()["triton"].startswith("2.")
