"""The folder that an image is built from: texts, and copies of local sources and wheels; runs in the called process."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from pytriton_plugins.errors import ConfigError

_NOT_SOURCE = {".git", ".hg", ".svn", ".env", ".venv", ".tox", ".nox", ".eggs", "__pycache__", "node_modules"}
_NOT_SOURCE_ENDS = (".pyc", ".pyo", ".egg-info", "_cache")
_BUILT = {"build", "dist"}
"""Left out beside pyproject.toml only: further inside they are packages of that name."""


def write_context(
    folder: Path, texts: Mapping[str, str], copies: Mapping[str, Path], force: bool
) -> list[tuple[str, int]]:
    """Write ``texts`` and copy folders and files to their places in ``folder``; what was written, with its bytes.

    ConfigError where something stands in the way. With ``force`` only what is written is replaced.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is no folder; choose another with --output")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise ConfigError(
            f"{folder} is not empty; choose another with --output, or replace what was written by --force"
        )
    try:
        sizes = [(name, _copy(source, folder / name, folder)) for name, source in copies.items()]
        for name, text in texts.items():
            _write(folder / name, text.encode())
    except OSError as error:
        raise ConfigError(f"{error.filename or folder} cannot be written or read: {error.strerror}") from None
    return sorted([*sizes, *((name, len(text.encode())) for name, text in texts.items())])


def ignore_file(names: list[str]) -> str:
    """The .dockerignore that lets only ``names`` into the build; podman and buildah read it as well."""
    return "\n".join(["*", *(f"!{name}" for name in sorted(names)), ""])


def _copy(source: Path, target: Path, output: Path) -> int:
    """Copy a file, or what of a folder is source; the same modes wherever it was. Returns how many bytes."""
    if source.is_file():
        _write(target, source.read_bytes())
        return source.stat().st_size
    if target.is_dir():
        shutil.rmtree(target)
    size = 0
    for path in source_files(source, output):
        place = target / path
        if (source / path).is_symlink():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(os.readlink(source / path))
        else:
            _write(place, (source / path).read_bytes(), (source / path).stat().st_mode & 0o100 != 0)
            size += place.stat().st_size
    return size


def source_files(folder: Path, output: Path) -> Iterator[Path]:
    """The files of a project, relative to it, without what is built, ignored by git, or written into ``output``."""
    ignored = _ignored_by_git(folder)
    for place, folders, files in os.walk(folder):
        here = Path(place)
        top = here == folder
        kept = []
        for name in sorted(folders):
            path = here / name
            if path.is_symlink():
                files.append(name)
            elif _is_source(path, top) and path not in ignored and path != output:
                kept.append(name)
        folders[:] = kept
        for name in sorted(files):
            if _is_source(here / name, top) and here / name not in ignored:
                yield (here / name).relative_to(folder)


def _is_source(path: Path, top: bool) -> bool:
    if path.name in _NOT_SOURCE or path.name.endswith(_NOT_SOURCE_ENDS) or (path / "pyvenv.cfg").exists():
        return False
    return not (top and path.name in _BUILT)


def _ignored_by_git(folder: Path) -> set[Path]:
    """What git passes over in ``folder``; nothing where there is no git, or no checkout of it."""
    command = ["git", "-C", str(folder), "ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return set()
    names = os.fsdecode(done.stdout).split("\0") if done.returncode == 0 else []
    return {folder / name.rstrip("/") for name in names if name}


def _write(path: Path, content: bytes, executable: bool = False) -> None:
    """Any umask and any checkout give the same modes, which an image keeps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(0o755 if executable else 0o644)
