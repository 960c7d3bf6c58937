"""Checks of a model's folder: nothing in it may lead out of the repository, and its configuration is a plain file."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from pytriton_plugins.errors import ServerError
from pytriton_plugins.text import one_line

MAX_CONFIG = 1 << 20
"""Bytes of a config.pbtxt."""

MAX_FILES = 100_000
"""Files and folders of one model."""

MAX_MODELS = 10_000
"""Folders of one repository."""

CONFIG = "config.pbtxt"
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
_NOT_MODELS = {"__pycache__", "lost+found"}
"""Folders that Python and file systems make by themselves."""


def model_folders(repository: Path) -> list[Path]:
    """The folders of a repository that Triton would take for models, by name; raises ServerError if it has too many."""
    with os.scandir(repository) as entries:
        names = sorted(entry.name for entry in entries if _is_model(entry))
    if len(names) > MAX_MODELS:
        raise ServerError(f"it has {len(names)} folders; {MAX_MODELS} are the limit")
    return [repository / name for name in names]


def _is_model(entry: os.DirEntry[str]) -> bool:
    # A link that leads nowhere is shown as a broken model.
    is_folder = entry.is_dir() or (entry.is_symlink() and not entry.is_file())
    return is_folder and not entry.name.startswith(".") and entry.name not in _NOT_MODELS


def check_links(folder: Path, repository: Path) -> None:
    """Raises ServerError for a link in ``folder`` to a place outside of ``repository``, or a pipe; OSError."""
    home = os.path.realpath(repository)
    for path in _links(folder):
        target = os.path.realpath(path)
        if os.path.commonpath([home, target]) != home:
            raise ServerError(
                f"{one_line(os.path.relpath(path, repository))} is a link to {one_line(target)}, outside of the "
                "repository; copy the file into it"
            )


def _links(folder: Path) -> Iterator[str]:
    """The links among ``folder`` and all below it, without following them; ServerError for a pipe or device."""
    if folder.is_symlink():
        yield str(folder)
    waiting, count = [str(folder)], 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                count += 1
                if count > MAX_FILES:
                    raise ServerError(f"it has more than {MAX_FILES} files; remove those that are not the model's")
                if entry.is_symlink():
                    yield entry.path
                elif entry.is_dir():
                    waiting.append(entry.path)
                elif not entry.is_file() and entry.name != CONFIG:
                    path = one_line(os.path.relpath(entry.path, folder))
                    raise ServerError(f"{path} is not a file: Triton ends when it reads it; remove it")


def config_text(folder: Path) -> str:
    """The text of the model's configuration; raises ServerError where there is none that can be read."""
    path = folder / CONFIG
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe of that name would block
    except FileNotFoundError:
        raise ServerError(f"{CONFIG} is missing; write one, because Triton's automatic configuration is off") from None
    except OSError as error:
        raise ServerError(f"{CONFIG} cannot be read: {error.strerror}; correct its permissions") from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ServerError(f"{CONFIG} is not a file; write one")
        content = file.read(MAX_CONFIG + 1)
    if len(content) > MAX_CONFIG:
        raise ServerError(f"{CONFIG} has more than {MAX_CONFIG} bytes; shorten it")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ServerError(f"{CONFIG} is not UTF-8 text; write it as Triton's protobuf text format") from None


def version_folders(folder: Path) -> tuple[int, ...]:
    """The versions that there are, in rising order; raises ServerError if there is none."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if _VERSION.fullmatch(entry.name) and entry.is_dir()]
    if not names:
        raise ServerError("it has no version folder; create one, such as 1, which may be empty for an ensemble")
    return tuple(sorted(map(int, names)))
