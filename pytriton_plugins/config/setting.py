"""One setting of the daemon, and the fields of `DaemonSettings` (settings.py) from which the settings are made."""

from __future__ import annotations

from typing import TypeVar

import attrs

from pytriton_plugins.config.readers import Reader, parse_flag

PREFIX = "PYTRITON_HOST_"
T = TypeVar("T")


@attrs.frozen
class Setting:
    """One setting: ``name`` in HostConfig, ``option`` as typed, ``key`` in the file (``shm.initial`` is in a table).

    ``help`` is a noun phrase or an imperative, then the default. A ``repeated`` setting is a list of texts.
    A ``flag`` is an option without a value; one that is ``on`` by default has a ``--no-`` form beside it.
    The value of a ``secret`` one is not shown.
    """

    name: str
    option: str
    key: str
    parse: Reader
    group: str
    help: str
    metavar: str = ""
    repeated: bool = False
    flag: bool = False
    on: bool = False
    secret: bool = False

    @property
    def variable(self) -> str:
        """The environment variable, such as ``PYTRITON_HOST_HTTP_PORT``; without the name of a command."""
        return PREFIX + self.option.upper().replace("-", "_")

    def typed(self, value: object) -> str:
        """The option as written on a command line that sets ``value``."""
        return f"--no-{self.option}" if self.on and value is False else f"--{self.option}"

    def from_variable(self, text: str) -> object:
        """A variable's text as ``parse`` takes it: a repeated setting is a comma list."""
        return [part.strip() for part in text.split(",") if part.strip()] if self.repeated else text


def setting(
    default: T,
    parse: Reader,
    group: str,
    help: str,
    *,
    metavar: str,
    option: str = "",
    key: str = "",
    repeated: bool = False,
    secret: bool = False,
) -> T:
    """A field whose option has a value; the option and the key are made of the field's name unless they are given."""
    row = Setting("", option, key, parse, group, help, metavar, repeated, secret=secret)
    field: T = attrs.field(default=default, repr=not secret, metadata={Setting: row})
    return field


def flag(default: bool, group: str, help: str, *, key: str = "") -> bool:
    """A field whose option takes no value."""
    row = Setting("", "", key, parse_flag, group, help, flag=True, on=default)
    field: bool = attrs.field(default=default, metadata={Setting: row})
    return field


def settings_of(table: type[attrs.AttrsInstance]) -> tuple[Setting, ...]:
    """The settings of a class whose fields are made by `setting` and `flag`."""
    return tuple(_named(field.name, field.metadata[Setting]) for field in attrs.fields(table))


def _named(name: str, row: Setting) -> Setting:
    return attrs.evolve(row, name=name, option=row.option or name.replace("_", "-"), key=row.key or name)
