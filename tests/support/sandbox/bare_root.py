"""A root file system that holds only Debian's python3, pip and venv, and commands run in it; needs root.

Each command has its own mount and process namespace, so nothing stays mounted or running after it; it uses the
machine's network. The settings of pip on this machine (certificates, indexes, proxies) are passed on at run time.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = "python3,python3-pip,python3-venv,ca-certificates"
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv", ".tox", ".*_cache", "__pycache__", "lib", "bundle", "build", "dist"
)
_HANDED_ON = re.compile(
    r"(PIP_|SSL_CERT_|REQUESTS_CA_BUNDLE$|CI$|PYTRITON_TESTS$|(https?|no|all)_proxy$)", re.IGNORECASE
)

_REPORT = """
sh -c "$COMMAND"; code=$?
for process in /proc/[0-9]*; do
    words=$(tr '\\0' ' ' < "$process/cmdline")
    [ "$process" = /proc/$$ ] || [ -z "$words" ] || echo "LEFT RUNNING $words"
done
for file in /dev/shm/*; do [ ! -e "$file" ] || echo "LEFT BEHIND $file"; done
exit $code
"""


class BareRoot:
    """A bare Debian root file system in ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        packages = ["--variant=minbase", f"--include={PACKAGES}"]
        subprocess.run(["mmdebstrap", "--quiet", *packages, "bookworm", str(path)], check=True)

    def copy_source(self, source: Path, name: str) -> None:
        """Copy the checkout ``source`` to ``/NAME``, without git's folder and without build results."""
        shutil.copytree(source, self.path / name, ignore=_NOT_SOURCE, symlinks=True)

    def start(self, command: str, folder: str, log: Path) -> subprocess.Popen[bytes]:
        """Start ``command`` in ``/FOLDER``; its output, and then what it left behind, goes to ``log``."""
        environment = machine_environment()
        script = "\n".join(["set -e", *self._mounts(environment), self._chroot(folder)])
        inside = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", **environment}
        with log.open("wb") as output:
            return subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
                env={**inside, "COMMAND": command, "REPORT": _REPORT},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _chroot(self, folder: str) -> str:
        return f"exec chroot {shlex.quote(str(self.path))} sh -c 'cd /{folder} && exec sh -c \"$REPORT\"'"

    def _mounts(self, environment: dict[str, str]) -> list[str]:
        dev = self.path / "dev"
        shell = [
            # The root must be a mount, so that commands in it can unshare their mounts in turn.
            f"mount --bind {self.path} {self.path}",
            f"mount -t proc proc {self.path}/proc",
            f"mount -t tmpfs tmpfs {dev}",
            f"mkdir {dev}/shm {dev}/pts",
            f"mount -t tmpfs -o size=64m tmpfs {dev}/shm",
            f"mount -t devpts -o newinstance,ptmxmode=0666 devpts {dev}/pts",
            f"ln -s pts/ptmx {dev}/ptmx",
            f"ln -s /proc/self/fd {dev}/fd",
        ]
        shell += [f"touch {dev}/{name} && mount --bind /dev/{name} {dev}/{name}" for name in DEVICES]
        return shell + [self._show(path) for path in machine_paths(environment)]

    def _show(self, path: Path) -> str:
        """Show the machine's own ``path`` in the same place."""
        source, target = shlex.quote(str(path)), shlex.quote(f"{self.path}{path}")
        make = f"mkdir -p {target}" if path.is_dir() else f"mkdir -p $(dirname {target}) && touch {target}"
        return f"{make} && mount --rbind -o ro {source} {target}"


def machine_environment() -> dict[str, str]:
    """The variables by which pip reaches this machine's indexes, with those of its configuration files."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True)
    settings = re.findall(r"^(?:global|site|user)\.([a-z-]+)=(.*)$", listed.stdout, re.MULTILINE)
    files = {f"PIP_{key.replace('-', '_').upper()}": str(ast.literal_eval(value)) for key, value in settings}
    return files | {name: value for name, value in os.environ.items() if _HANDED_ON.match(name)}


def machine_paths(environment: dict[str, str]) -> list[Path]:
    """The files and folders of this machine that ``environment`` names, and those of name resolution."""
    named = [_named_path(word) for value in environment.values() for word in value.split()]
    wanted = [Path("/etc/ssl/certs"), Path("/etc/resolv.conf"), Path("/etc/hosts"), *named]
    found = [path for path in dict.fromkeys(wanted) if path.is_absolute() and path.exists()]
    return [path for path in found if not any(other in path.parents for other in found)]


def _named_path(word: str) -> Path:
    """The path that ``word`` names; for an index on disk its parent folder, because its pages link to files there."""
    path = Path(word.removeprefix("file://"))
    return path.parent if word.startswith("file://") and path.parent != Path("/") else path
