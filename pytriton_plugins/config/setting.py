"""One setting of the daemon, as a row of the table in settings.py."""

from __future__ import annotations

import attrs

from pytriton_plugins.config.readers import Reader, parse_flag

PREFIX = "PYTRITON_HOST_"


@attrs.frozen
class Setting:
    """One setting: ``name`` in HostConfig, ``option`` as typed, ``key`` in the file (``shm.initial`` is in a table).

    ``help`` is a noun phrase or an imperative, then the default. A ``repeated`` setting is a list of texts.
    A ``flag`` is an option without a value; one that is ``on`` by default has a ``--no-`` form beside it.
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
    name: str,
    parse: Reader,
    group: str,
    help: str,
    *,
    metavar: str,
    option: str = "",
    key: str = "",
    repeated: bool = False,
) -> Setting:
    """A setting with a value; its option and key are made of the name unless they are given."""
    return Setting(name, option or name.replace("_", "-"), key or name, parse, group, help, metavar, repeated)


def flag(name: str, group: str, help: str, *, key: str = "", on: bool = False) -> Setting:
    """A setting whose option takes no value."""
    return Setting(name, name.replace("_", "-"), key or name, parse_flag, group, help, flag=True, on=on)
