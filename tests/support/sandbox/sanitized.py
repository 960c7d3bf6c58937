"""Runs pytest with a backend that is compiled with sanitizers; in tox's environment `sanitize`.

The sanitizers' libraries must be loaded before the backend, so tritonserver starts through a script that preloads them.
Their reports go to files, and one report fails the run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))  # last: the tests use the installed framework

from pytriton_plugins.host.triton.server import LIBRARY
from tests.support.backend.server import found_server


def preloaded() -> str:
    """The paths of the compiler's sanitizer libraries."""
    names = ("libasan.so", "libubsan.so")
    paths = [subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip() for name in names]
    return " ".join(paths)


def wrapper(folder: Path) -> Path:
    """A tritonserver for `--tritonserver`, with the same files beside it as the real one."""
    real = found_server().path
    (folder / "bin").mkdir()
    (folder / "caches").symlink_to(real.parent.parent / "caches")
    script = folder / "bin/tritonserver"
    reports = folder / "report"
    script.write_text(
        "#!/bin/sh\n"
        f'export LD_PRELOAD="{preloaded()} $LD_PRELOAD" UBSAN_OPTIONS=print_stacktrace=1:log_path={reports}\n'
        f"export ASAN_OPTIONS=detect_leaks=0:handle_segv=0:allow_user_segv_handler=1:log_path={reports}\n"
        f'exec {real} "$@"\n'
    )
    script.chmod(0o755)
    return script


def main(arguments: list[str]) -> int:
    if b"__asan_report" not in LIBRARY.read_bytes():
        print(f"{LIBRARY} was compiled without sanitizers", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="sanitized-") as name:
        folder = Path(name)
        env = {**os.environ, "PYTRITON_HOST_TRITONSERVER": str(wrapper(folder))}
        # Not `python -m pytest`, which finds the checkout before the installed package.
        pytest = str(Path(sys.executable).with_name("pytest"))
        status = subprocess.run([pytest, *arguments], env=env, check=False).returncode
        reports = [path.read_text() for path in folder.glob("report*")]
    print(*reports, sep="\n")
    print(f"{len(reports)} reports of the sanitizers")
    return status or bool(reports)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
