"""The projects that `pytriton-host new` writes, from the template files beside this module.

Templates end in ``.txt`` so that no tool takes them for code of this package. ``DISTRIBUTION``, ``PACKAGE``,
``PLUGIN`` and ``VERSION`` are replaced, in texts and in the names of folders.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import attrs

from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line

Kind = Literal["model", "hooks", "repository"]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PLACES = re.compile("DISTRIBUTION|PACKAGE|PLUGIN|VERSION")


@attrs.frozen
class Project:
    """A project to write; ``name`` is the distribution's, such as ``acme-mean``."""

    name: str
    kind: Kind

    @property
    def package(self) -> str:
        return self.name.replace("-", "_")

    def texts(self, version: str) -> Iterator[tuple[Path, str]]:
        """Each file's path in the project, and its content; ``version``: the framework's oldest supported version."""
        values = {"DISTRIBUTION": self.name, "PACKAGE": self.package, "PLUGIN": self.name, "VERSION": version}

        def filled(text: str) -> str:
            return _PLACES.sub(lambda match: values[match[0]], text)

        templates = Path(__file__).parent / self.kind
        for file in sorted(path for path in templates.rglob("*.txt")):
            path = filled(str(file.relative_to(templates))).removesuffix(".txt")
            yield Path(path), filled(file.read_text(encoding="utf-8"))


def write_project(project: Project, folder: Path, version: str) -> list[Path]:
    """Write the project into ``folder``, which must not exist or be empty; ConfigError otherwise."""
    if not _NAME.fullmatch(project.name):
        raise ConfigError(
            f"invalid project name {one_line(repr(project.name))}: expected lower-case letters, digits and single "
            "hyphens, such as acme-mean"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} already exists; choose another name or --dir")
    written = []
    for path, text in project.texts(version):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        written.append(target)
    return sorted(written)
