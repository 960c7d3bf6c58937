"""The folder that an image is built from: texts, and copies of local sources and wheels; runs in the called process."""

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
    """Copy a file, or what a project's wheel is built from; the same modes wherever it was. Returns how many bytes."""
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
    """Such as the licence of a repository of several projects: the image's copy of the link would lead nowhere."""
    return link.is_file() and not link.resolve().is_relative_to(project.resolve())


def _write(path: Path, content: bytes, executable: bool = False) -> None:
    """Any umask and any checkout give the same modes, which an image keeps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(0o755 if executable else 0o644)
