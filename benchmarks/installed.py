"""The framework that is measured: the one that pip installed, which must be this checkout's."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import benchmarks
from benchmarks.errors import BenchmarkError, NotInstalled

CHECKOUT = Path(benchmarks.__file__).parent.parent
PACKAGE = "pytriton_plugins"
LIBRARY = Path("backend/lib/pytriton/libtriton_pytriton.so")
_WHERE = f"import importlib.util as u; found = u.find_spec({PACKAGE!r}); print(found.origin if found else '')"


@functools.cache
def framework() -> Path:
    """The folder of the installed package; BenchmarkError with the command that installs this checkout's."""
    # As the servers are started: without the checkout's own files on the path, which have no compiled backend.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    answer = subprocess.run([sys.executable, "-c", _WHERE], cwd="/", env=plain, stdout=subprocess.PIPE, text=True)
    if not answer.stdout.strip():
        raise NotInstalled(f"{PACKAGE} is not installed for {sys.executable}: run `{command()}`")
    folder = Path(answer.stdout.strip()).parent
    if name := difference(CHECKOUT / PACKAGE, folder):
        raise BenchmarkError(f"the framework in {folder} is not this checkout's ({name}): run `{command()}`")
    return folder


def command(extra: str = "") -> str:
    """The command that installs this checkout's framework for the running Python."""
    return f"{sys.executable} -m pip install '{CHECKOUT}{extra}'"


def difference(checkout: Path, installed: Path) -> str:
    """The first file that differs, or a backend that is older than its sources; empty if all is the same."""
    for path in sorted(checkout.rglob("*.py")):
        name = path.relative_to(checkout)
        there = installed / name
        if not (there.is_file() and there.read_bytes() == path.read_bytes()):
            return f"{name} differs"
    library = installed / LIBRARY
    sources = [path.stat().st_mtime for path in (checkout / "backend").glob("*.[ch]")]
    if not library.is_file():
        return f"{LIBRARY} is missing"
    return f"{LIBRARY} is older than its sources" if max(sources) > library.stat().st_mtime else ""


def needs_http() -> None:
    """Raise NotInstalled if tritonclient has no HTTP client, which the framework does not need."""
    try:
        import tritonclient.http  # noqa: F401
    except (ImportError, RuntimeError):
        raise NotInstalled(f"tritonclient's HTTP client is missing: run `{command('[http]')}`") from None
