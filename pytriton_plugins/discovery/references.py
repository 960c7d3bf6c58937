"""References to plugins, as data: entry point, distribution, module or object."""

from __future__ import annotations

import re

import attrs


@attrs.frozen
class Reference:
    """One entry point: the plugin's name, the module or object in ``value``, and the distribution that installed it.

    ``distribution`` and ``version`` are empty for a target of the command line.
    """

    plugin: str
    value: str
    distribution: str = ""
    version: str = ""

    @property
    def label(self) -> str:
        """The plugin and its distribution for messages: ``memory-guard (acme-hooks 1.2)``."""
        return f"{self.plugin} ({self.distribution} {self.version})" if self.distribution else self.plugin

    @property
    def names(self) -> frozenset[str]:
        """Its names in the configuration: the plugin, its distribution, or ``distribution/plugin``.

        Those of a target are the target as it was typed, and with the whole path of its file.
        """
        if not self.distribution:
            return frozenset({self.plugin, self.value})
        distribution = canonical(self.distribution)
        return frozenset({self.plugin, distribution, f"{distribution}/{self.plugin}"})

    @property
    def place(self) -> str:
        """A text that no other reference has."""
        return f"{self.plugin} = {self.value} of {self.distribution or 'the command line'}"


@attrs.frozen
class ModelReference(Reference):
    """A plugin that provides models: ``value`` is ``pkg.mod``, ``pkg.mod:attr``, ``model.py`` or ``model.py:attr``.

    ``python`` is the interpreter that runs it, "" for the daemon's own.
    """

    python: str = ""

    @property
    def is_attached(self) -> bool:
        """Whether its model is a running program's, which has attached it."""
        return False


@attrs.frozen
class HookReference(Reference):
    """A plugin that provides hooks: ``value`` names a module or an object."""


@attrs.frozen
class RepositoryReference(Reference):
    """A model repository. ``value`` is a folder's path, or of a distribution ``pkg.folder`` or ``pkg``.

    ``folder``: where the folder is, as another interpreter, ``python``, has found it; "" as long as nothing has looked.
    """

    python: str = ""
    folder: str = ""


def without_name(reference: Reference, message: str) -> str:
    """``message`` without a target at its beginning, for a line that names the plugin already."""
    if reference.distribution:
        return message
    for name in filter(None, (reference.value, reference.value.rpartition(":")[0])):
        for begin in (f"{name}: ", f"{name} "):
            if message.startswith(begin):
                return message.removeprefix(begin)
    return message


def canonical(distribution: str) -> str:
    """A distribution's normalized name: lower case, one hyphen between its parts."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
