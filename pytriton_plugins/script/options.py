"""The options of the command line from the keywords of `Host`: each setting is a keyword by its name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from pytriton_plugins.config.loading import load_config
from pytriton_plugins.config.setting import Setting
from pytriton_plugins.config.settings import SETTINGS
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion

_OURS = {"log_format": "the log goes to Python's logging, whose formatters decide"}
"""Settings that are not keywords, and why."""

_STOP_SECONDS = 8.0
"""Seconds that a stop may take beyond its drain."""

KEYWORDS = {setting.name: setting for setting in SETTINGS if setting.name not in _OURS}


@attrs.frozen
class HostOptions:
    """How a daemon is started: options of `serve` and environment variables, and the longest time of its stop."""

    options: tuple[str, ...]
    variables: Mapping[str, str]
    stop_seconds: float

    def with_options(self, more: Sequence[str]) -> HostOptions:
        """A copy with ``more`` options."""
        return attrs.evolve(self, options=(*self.options, *more))


def host_options(config: str | Path | None, keywords: Mapping[str, object]) -> HostOptions:
    """The options that the keywords of `Host` ask for, checked with the variables and the file ``config``.

    Raises TypeError for an unknown keyword, ConfigError with a line for each value that cannot be used.
    """
    given = {name: value for name, value in keywords.items() if value is not None}
    problems: list[str] = []
    texts: dict[str, object] = {}
    for name, value in given.items():
        try:
            texts[name] = _texts(_setting(name), value)
        except ValueError as error:
            problems += [f"Host: {name}: {problem}" for problem in error.args]
    if problems:
        raise ConfigError(*problems)
    file = {"config": str(Path(config).expanduser().absolute())} if config is not None else {}
    # As the daemon will read them: a mistake is an exception before anything is started.
    loaded = load_config((), {**texts, **file}, os.environ, Path.cwd())
    options = [f"--{name}={path}" for name, path in file.items()]
    variables: dict[str, str] = {}
    for name, text in texts.items():
        _add(KEYWORDS[name], text, options, variables)
    return HostOptions(tuple(options), variables, loaded.drain_delay + loaded.drain_timeout + _STOP_SECONDS)


def _setting(name: str) -> Setting:
    if name in _OURS:
        raise TypeError(f"Host: {name} is not an argument: {_OURS[name]}")
    if name not in KEYWORDS:
        raise TypeError(f"Host: unknown argument {one_line(name)}{suggestion(name, KEYWORDS)}")
    return KEYWORDS[name]


def _texts(setting: Setting, value: object) -> object:
    """The value as typed on a command line: a text, a list of texts, or true or false; raises ValueError."""
    if setting.flag:
        return setting.parse(value)
    if not setting.repeated:
        parsed = setting.parse(_plain(value))
        return str(_typed(parsed) if isinstance(parsed, Path) else value)
    listed = [os.fspath(value)] if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(listed, Mapping) and isinstance(listed, (list, tuple)):
        listed = ["=".join(map(str, each)) if isinstance(each, tuple) else _plain(each) for each in listed]
    parsed = setting.parse(listed)
    assert isinstance(parsed, tuple)
    return ["=".join(each) if isinstance(each, tuple) else _typed(each) for each in parsed]


def _plain(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _typed(value: object) -> object:
    return str(value.expanduser().absolute()) if isinstance(value, Path) else value


def _add(setting: Setting, text: object, options: list[str], variables: dict[str, str]) -> None:
    if setting.secret:
        variables[setting.variable] = str(text)  # every user of the machine can read a command line
    elif text is False and not setting.on:
        variables[setting.variable] = "false"  # there is no such option, but a variable or the file may be true
    elif setting.flag:
        options.append(setting.typed(text))
    else:
        options += [f"--{setting.option}={each}" for each in (text if isinstance(text, list) else [text])]
