"""The settings of the plugin, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import attrs

NOT_READY_FILE = "POD_NOT_READY_FILE"
TABLE = "[plugins.kubernetes]"
_KEYS = ("share", "models", "not_ready_file")


@attrs.frozen
class Options:
    """``share`` of the memory limit among ``models``; ``source`` says where the file's path was set."""

    share: float
    models: int
    not_ready_file: str
    source: str

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Options:
        """The options of the plugin's table and of the variable; raises ValueError for an invalid one."""
        unknown = next((key for key in settings if key not in _KEYS), None)
        if unknown is not None:
            raise ValueError(f"{TABLE}: unknown key {unknown!r}; the keys are {', '.join(_KEYS)}")
        share, models = settings.get("share", 0.5), settings.get("models", 1)
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise ValueError(f"{TABLE}: share is {share!r}; write a number above 0, at most 1")
        if isinstance(models, bool) or not isinstance(models, int) or models < 1:
            raise ValueError(f"{TABLE}: models is {models!r}; write a whole number from 1 up")
        return cls(share, models, *_file(settings))


def _file(settings: Mapping[str, Any]) -> tuple[str, str]:
    """The path of the file, and where it was set."""
    file, source = settings.get("not_ready_file", "/tmp/pytriton-not-ready"), "the default"
    if "not_ready_file" in settings:
        source = f"{TABLE} not_ready_file"
    if os.environ.get(NOT_READY_FILE):
        file, source = os.environ[NOT_READY_FILE], NOT_READY_FILE
    if not isinstance(file, str) or not file.startswith("/") or not file.isprintable():
        raise ValueError(f"{source} is {file!r}; write an absolute path of printable characters")
    return file, source
