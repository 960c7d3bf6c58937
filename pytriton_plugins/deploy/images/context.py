"""The folder that an image is built from: generated texts, and copies of local sources and wheels."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pytriton_plugins.deploy.images.project_files import project_files
from pytriton_plugins.errors import ConfigError


def write_context(
    folder: Path, texts: Mapping[str, str], copies: Mapping[str, Path], force: bool
) -> list[tuple[str, int]]:
    """Write ``texts`` and copy folders and files into ``folder``; returns the names and sizes of what was written.

    ConfigError if ``folder`` cannot be used. With ``force`` only files of the same names are replaced.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; choose another with --output")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise ConfigError(f"{folder} is not empty; choose another with --output, or replace its files with --force")
    try:
        sizes = [(name, _copy(source, folder / name, folder)) for name, source in copies.items()]
        for name, text in texts.items():
            _write(folder / name, text.encode())
    except OSError as error:
        raise ConfigError(f"{error.filename or folder} cannot be written or read: {error.strerror}") from None
    return sorted([*sizes, *((name, len(text.encode())) for name, text in texts.items())])


def ignore_file(names: list[str]) -> str:
    """A .dockerignore that allows only ``names`` in the build; podman and buildah read it as well."""
    return "\n".join(["*", *(f"!{name}" for name in sorted(names)), ""])


def _copy(source: Path, target: Path, output: Path) -> int:
    """Copy a file, or the files that a project's wheel is built from, with fixed modes; returns the number of bytes."""
    if source.is_file():
        _write(target, source.read_bytes())
        return source.stat().st_size
    if target.is_dir():
        shutil.rmtree(target)
    size = 0
    for path in project_files(source, output):
        place = target / path
        if (source / path).is_symlink() and not _leads_to_a_file_elsewhere(source / path, source):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(os.readlink(source / path))
        else:
            _write(place, (source / path).read_bytes(), (source / path).stat().st_mode & 0o100 != 0)
            size += place.stat().st_size
    return size


def _leads_to_a_file_elsewhere(link: Path, project: Path) -> bool:
    """Whether the link's target is a file outside the project, such as a common licence: its copy would be broken."""
    return link.is_file() and not link.resolve().is_relative_to(project.resolve())


def _write(path: Path, content: bytes, executable: bool = False) -> None:
    """Write with a fixed mode, independent of umask and checkout, for an image keeps modes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(0o755 if executable else 0o644)
