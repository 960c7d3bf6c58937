"""Readers of single values, from text or TOML: each returns the value, or raises ValueError with what is expected."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from pytriton_plugins.text import one_line
from pytriton_plugins.values import MAX_WAIT

T = TypeVar("T")
MIB = 1 << 20
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
ON_FULL = ("reject", "wait")
CLOSED_CATEGORIES = ("shared-memory", "model-repository", "trace", "logging")
"""Protocols of Triton beside inference; they are closed unless allowed."""

ATTACH = "attach"
"""The category that lets other processes of this user serve callables of theirs."""

CATEGORIES = (*CLOSED_CATEGORIES, ATTACH)
"""All that can be allowed."""

_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(|B|[KMGT]i?B?)", re.IGNORECASE)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*(|ms|s|m|min|h)")
_SECONDS_PER = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}

MIN_SIZE = 4096
"""Bytes of one page: a segment cannot be smaller."""

MAX_WORKERS = 1024
MAX_PORT = 65535


class Reader(Protocol):
    """Returns the value that text or TOML stands for; raises ValueError with what is expected instead."""

    def __call__(self, value: object, /) -> object: ...


def parse_address(value: object) -> str:
    """A host name or IP address."""
    text = parse_text(value).strip()
    if not re.fullmatch(r"[0-9A-Za-z_.:%-]+|\[[0-9A-Za-z_.:%-]+\]", text):
        raise _invalid("address", text, "a host name or an IP address, such as 127.0.0.1 or 0.0.0.0")
    return text.strip("[]")


def whole_number(kind: str, minimum: int, maximum: int) -> Callable[[object], int]:
    """The reader of a whole number, not negative; ``kind`` is its name in the message about a wrong one."""

    def parse(value: object) -> int:
        is_number = isinstance(value, (int, str)) and not isinstance(value, bool)
        if not is_number or not re.fullmatch(r"[0-9]{1,18}", str(value)) or not minimum <= int(str(value)) <= maximum:
            raise _invalid(kind, value, f"{minimum} to {maximum}")
        return int(str(value))

    return parse


def number(kind: str, minimum: float, maximum: float) -> Callable[[object], float]:
    """The reader of a number, not negative; ``kind`` as of `whole_number`."""

    def parse(value: object) -> float:
        is_number = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        match = re.fullmatch(r"\d+(\.\d+)?", str(value).strip()) if is_number else None
        if not match or not minimum <= float(match[0]) <= maximum:
            raise _invalid(kind, value, f"a number from {minimum:g} to {maximum:g}")
        return float(match[0])

    return parse


def one_of(kind: str, known: tuple[str, ...]) -> Callable[[object], str]:
    """The reader of one of the texts ``known``, in lower case, from any case; ``kind`` as of `whole_number`."""
    return lambda value: _one_of(parse_text(value).lower(), known, kind)


def parse_text(value: object) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise _invalid("value", value, "text in quotes")
    return value


parse_port = whole_number("port", 0, MAX_PORT)
"""A port number; 0 means any free one."""

parse_workers = whole_number("number of workers", 1, MAX_WORKERS)
"""A number of worker processes."""


def parse_size(value: object) -> int:
    """Bytes, from a whole number or text such as ``16MiB``; K, M, G, T with or without ``i`` count by 1024 and 1000."""
    match = _SIZE.fullmatch(str(value).strip()) if isinstance(value, (str, int)) and value is not True else None
    if not match:
        raise _invalid("size", value, "a number of bytes, or text such as 16MiB or 2GiB")
    unit = match[2].upper()
    power = "BKMGT".index(unit[:1] or "B")
    size = int(float(match[1]) * (1000 if unit.endswith("B") and len(unit) == 2 else 1024) ** power)
    if size < MIN_SIZE:
        raise _invalid("size", value, "at least one page (4KiB)")
    return size


def parse_seconds(value: object) -> float:
    """Seconds, from a number or text such as ``20``, ``500ms`` or ``2m``."""
    number = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    match = _SECONDS.fullmatch(str(value).strip()) if number else None
    if not match or not math.isfinite(float(match[1])):
        raise _invalid("duration", value, "seconds such as 20, or 500ms, 2m")
    return float(match[1]) * _SECONDS_PER[match[2]]


def parse_wait(value: object) -> float:
    """Seconds that a batch waits for shared memory."""
    seconds = parse_seconds(value)
    if seconds > MAX_WAIT:
        raise _invalid("duration", value, f"at most {MAX_WAIT:g} s")
    return seconds


parse_growth = number("growth", 1, 100)
"""The factor by which a new segment is larger than the one that it replaces."""


parse_on_full = one_of("action", ON_FULL)
"""The action for a batch that exceeds the limit."""


def parse_path(value: object) -> Path:
    """A path; a relative one starts at the folder of the file that names it."""
    text = parse_text(value)
    if not text.strip():
        raise ValueError("the path is empty; write a path, or remove the setting")
    if text.startswith("~") and os.path.expanduser(text) == text:
        raise ValueError(f"{one_line(text)}: no user with that home directory; write the whole path")
    return Path(text)


def parse_paths(value: object) -> tuple[Path, ...]:
    """Paths; each as of `parse_path`."""
    return tuple(dict.fromkeys(_each(value, parse_path)))


def parse_categories(value: object) -> tuple[str, ...]:
    """Categories to open, of CATEGORIES."""
    return tuple(dict.fromkeys(_each(value, lambda text: _one_of(text, CATEGORIES, "category"))))


def parse_names(value: object) -> tuple[str, ...]:
    """Names of models or plugins."""
    return tuple(dict.fromkeys(_texts(value)))


def parse_headers(value: object) -> tuple[str, ...]:
    """Names of HTTP headers and gRPC metadata, in any case."""
    return tuple(dict.fromkeys(_each(value, _header)))


def parse_forward_prefix(value: object) -> str:
    """The prefix of forwarded headers' names: a secret of the proxy and the daemon, in any case.

    The message does not repeat the secret.
    """
    text = parse_text(value)
    if not re.fullmatch(r"[0-9A-Za-z_-]{16,64}", text) or text.lower().startswith("triton"):
        raise ValueError("invalid prefix: expected 16 to 64 letters, digits, - and _, not starting with triton")
    return text.lower()


def parse_requirements(value: object) -> tuple[str, ...]:
    """Requirements as pip takes them, such as ``acme-resnet>=1.2``."""
    return tuple(dict.fromkeys(_each(value, _requirement)))


def parse_flag(value: object) -> bool:
    """True or false, as a boolean or as text."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in _FLAGS:
        raise _invalid("value", value, "true or false")
    return _FLAGS[text]


def parse_server_options(value: object) -> tuple[tuple[str, str], ...]:
    """Options of tritonserver: a TOML table, or a list of NAME=VALUE."""
    if isinstance(value, dict):
        return tuple((str(name), text) for name, item in value.items() for text in _option_texts(item))
    return tuple(_each(value, _server_option))


def _each(value: object, parse: Callable[[str], T]) -> list[T]:
    """Every text of a list, parsed; ValueError has an argument for each that cannot be."""
    parsed, problems = [], []
    for text in _texts(value):
        try:
            parsed.append(parse(text))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError(*problems)
    return parsed


def _header(text: str) -> str:
    # The characters of gRPC's metadata; those of HTTP are more.
    if not re.fullmatch(r"[0-9A-Za-z_.-]{1,128}", text) or text.lower().startswith("triton"):
        raise _invalid("header name", text, "letters, digits, -, _ and ., not starting with triton")
    return text.lower()


def _requirement(text: str) -> str:
    # Only few starts have requirements, and the import takes milliseconds.
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(text)
    except InvalidRequirement as error:
        raise _invalid("requirement", text, f"for example acme-resnet>=1.2 ({one_line(error)})") from None
    return text


def _server_option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    name = name.strip().removeprefix("--")
    if not equals or not name:
        raise _invalid("option", text, "NAME=VALUE, such as log-verbose=1")
    return name, value


def _option_texts(value: object) -> list[str]:
    if isinstance(value, bool):
        return [str(value).lower()]
    return [text for item in value for text in _option_texts(item)] if isinstance(value, list) else [str(value)]


def _one_of(text: str, known: tuple[str, ...], kind: str) -> str:
    if text not in known:
        raise _invalid(kind, text, f"one of {', '.join(known)}")
    return text


def _texts(value: object) -> list[str]:
    if not isinstance(value, (list, tuple)):
        raise _invalid("value", value, "a list in brackets")
    return [parse_text(item) for item in value]


def _invalid(kind: str, value: object, expected: str) -> ValueError:
    return ValueError(f"invalid {kind} {one_line(repr(value))}: expected {expected}")
