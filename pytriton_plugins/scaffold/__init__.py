"""Projects that `pytriton-host new` writes: the files beside this one, names filled in; runs in the called process.

Files end in ``.txt`` here so that nothing takes them for code of this package. ``DISTRIBUTION``, ``PACKAGE``,
``PLUGIN`` and ``VERSION`` stand for what they say, in texts and in the names of folders.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import attrs

from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line

Kind = Literal["model", "hooks"]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PLACES = re.compile("DISTRIBUTION|PACKAGE|PLUGIN|VERSION")


@attrs.frozen
class Project:
    """A project to be written: ``name`` is that of the distribution, such as ``acme-mean``."""

    name: str
    kind: Kind

    @property
    def package(self) -> str:
        return self.name.replace("-", "_")

    def texts(self, version: str) -> Iterator[tuple[Path, str]]:
        """Each file's path in the project, and its content; ``version``: the least version of the framework."""
        values = {"DISTRIBUTION": self.name, "PACKAGE": self.package, "PLUGIN": self.name, "VERSION": version}

        def filled(text: str) -> str:
            return _PLACES.sub(lambda match: values[match[0]], text)

        templates = Path(__file__).parent / self.kind
        for file in sorted(path for path in templates.rglob("*.txt")):
            path = filled(str(file.relative_to(templates))).removesuffix(".txt")
            yield Path(path), filled(file.read_text(encoding="utf-8"))


def write_project(project: Project, folder: Path, version: str) -> list[Path]:
    """Write the project into ``folder``, which must not exist or be empty; ConfigError says what stands in the way."""
    if not _NAME.fullmatch(project.name):
        raise ConfigError(
            f"{one_line(repr(project.name))} is no name of a project; write small letters, digits and single hyphens, "
            "such as acme-mean"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already; choose another name or --dir")
    written = []
    for path, text in project.texts(version):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        written.append(target)
    return sorted(written)
