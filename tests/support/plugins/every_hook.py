"""A hook plugin that implements every hook and changes nothing: it records each call and its thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from pytriton_plugins import hookimpl
from pytriton_plugins.hooks import specs

NAMES = [name for name in vars(specs) if name.startswith("pytriton_")]


def _written_down(name: str) -> Callable[..., Any]:
    def hook() -> None:
        line = f"{threading.current_thread().name} {name.removeprefix('pytriton_')}\n"
        descriptor = os.open(os.environ["EVERY_HOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())
        os.close(descriptor)

    return hookimpl(specname=name)(hook)


class EveryHook:
    """One method for each hook; they take no parameters, as a plugin may."""


for _name in NAMES:
    setattr(EveryHook, _name, staticmethod(_written_down(_name)))

plugin = EveryHook()
