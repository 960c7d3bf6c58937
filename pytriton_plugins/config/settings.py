"""The table of the daemon's settings and how each is read, for config.py and the command line; in the host process."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import attrs

from pytriton_plugins.text import one_line
from pytriton_plugins.values import MAX_WAIT

T = TypeVar("T")
MIB = 1 << 20
PREFIX = "PYTRITON_HOST_"
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
ON_FULL = ("reject", "wait")
CLOSED_CATEGORIES = ("shared-memory", "model-repository", "trace", "logging")
"""What Triton serves besides inference and that is closed unless allowed."""

_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(|B|[KMGT]i?B?)", re.IGNORECASE)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*(|ms|s|m|min|h)")
_SECONDS_PER = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@attrs.frozen
class Setting:
    """One setting: ``name`` in HostConfig, ``option`` as typed, ``key`` in the file (``shm.initial`` is in a table).

    ``parse`` takes text or a TOML value and raises ValueError with what to write; a ``repeated`` one gets a list.
    A ``flag`` is an option without a value; one that is ``on`` by default has a ``--no-`` form beside it.
    """

    name: str
    option: str
    key: str
    parse: Callable[[object], object]
    repeated: bool = False
    flag: bool = False
    on: bool = False

    @property
    def variable(self) -> str:
        """The environment variable, such as ``PYTRITON_HOST_HTTP_PORT``; no command's name in it."""
        return PREFIX + self.option.upper().replace("-", "_")

    def typed(self, value: object) -> str:
        """The option as it stands on a command line that sets ``value``."""
        return f"--no-{self.option}" if self.on and value is False else f"--{self.option}"

    def from_variable(self, text: str) -> object:
        """A variable's text as ``parse`` takes it: a repeated setting is a comma list."""
        return [part.strip() for part in text.split(",") if part.strip()] if self.repeated else text


def parse_address(value: object) -> str:
    """A host name or IP address."""
    text = _text(value).strip()
    if not re.fullmatch(r"[0-9A-Za-z_.:%-]+|\[[0-9A-Za-z_.:%-]+\]", text):
        raise ValueError(f"{one_line(repr(text))} is no address; write for example 127.0.0.1 or 0.0.0.0")
    return text.strip("[]")


def parse_port(value: object) -> int:
    """A port number; 0 means any free one."""
    if not _is_whole(value) or int(str(value)) > 65535:
        raise ValueError(f"{one_line(repr(value))} is no port; write a whole number from 0 (any free port) to 65535")
    return int(str(value))


def parse_workers(value: object) -> int:
    """The number of worker processes of each model."""
    if not _is_whole(value) or not 1 <= int(str(value)) <= 1024:
        raise ValueError(f"{one_line(repr(value))} is no number of workers; write a whole number from 1 to 1024")
    return int(str(value))


def parse_start_parallelism(value: object) -> int:
    """How many workers start at a time."""
    if not _is_whole(value) or not 1 <= int(str(value)) <= 1024:
        raise ValueError(f"{one_line(repr(value))} is not a number of starts; write a whole number from 1 to 1024")
    return int(str(value))


def parse_size(value: object) -> int:
    """Bytes, from a whole number or text such as ``16MiB``; K, M, G, T with or without ``i`` count by 1024 and 1000."""
    match = _SIZE.fullmatch(str(value).strip()) if isinstance(value, (str, int)) and value is not True else None
    if not match:
        raise ValueError(f"{one_line(repr(value))} is no size; write for example 16MiB, 2GiB or a number of bytes")
    unit = match[2].upper()
    power = "BKMGT".index(unit[:1] or "B")
    size = int(float(match[1]) * (1000 if unit.endswith("B") and len(unit) == 2 else 1024) ** power)
    if size < 4096:
        raise ValueError(f"{one_line(repr(value))} is less than one page (4KiB); write for example 16MiB")
    return size


def parse_seconds(value: object) -> float:
    """Seconds, from a number or text such as ``20``, ``500ms`` or ``2m``."""
    number = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    match = _SECONDS.fullmatch(str(value).strip()) if number else None
    if not match or not math.isfinite(float(match[1])):
        raise ValueError(f"{one_line(repr(value))} is no time; write seconds such as 20, or 500ms, 2m")
    return float(match[1]) * _SECONDS_PER[match[2]]


def parse_wait(value: object) -> float:
    """Seconds that a batch waits for shared memory."""
    seconds = parse_seconds(value)
    if seconds > MAX_WAIT:
        raise ValueError(f"{seconds:g} seconds are too many; {MAX_WAIT:g} are the most")
    return seconds


def parse_growth(value: object) -> float:
    """How many times as large a new segment is as the one that it replaces."""
    number = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    match = re.fullmatch(r"\d+(\.\d+)?", str(value).strip()) if number else None
    if not match or not 1 <= float(match[0]) <= 100:
        raise ValueError(f"{one_line(repr(value))} is no growth; write a number from 1 to 100")
    return float(match[0])


def parse_on_full(value: object) -> str:
    """What becomes of a batch at the limit."""
    return _one_of(_text(value).lower(), ON_FULL, "answer to full memory")


def parse_path(value: object) -> Path:
    """A path; a relative one counts from the folder of the file that names it."""
    text = _text(value)
    if not text.strip():
        raise ValueError("the path is empty; leave it out or write one")
    return Path(text)


def parse_log_level(value: object) -> str:
    """One of LOG_LEVELS, in any case."""
    return _one_of(_text(value).lower(), LOG_LEVELS, "log level")


def parse_log_format(value: object) -> str:
    """One of LOG_FORMATS, in any case."""
    return _one_of(_text(value).lower(), LOG_FORMATS, "log format")


def parse_categories(value: object) -> tuple[str, ...]:
    """Closed categories of Triton's protocols that are to be opened."""
    return tuple(dict.fromkeys(_each(value, lambda text: _one_of(text, CLOSED_CATEGORIES, "closed category"))))


def parse_names(value: object) -> tuple[str, ...]:
    """Model names."""
    return tuple(dict.fromkeys(_texts(value)))


def parse_headers(value: object) -> tuple[str, ...]:
    """Names of HTTP headers and gRPC metadata, in any case."""
    return tuple(dict.fromkeys(_each(value, _header)))


def parse_forward_prefix(value: object) -> str:
    """What the names of forwarded headers begin with: a secret of the proxy and the daemon, in any case."""
    text = _text(value)
    if not re.fullmatch(r"[0-9A-Za-z-]{16,64}", text) or text.lower().startswith("triton"):
        raise ValueError("not a prefix for forwarded headers: write a secret of 16 to 64 letters, digits and -")
    return text.lower()


def parse_requirements(value: object) -> tuple[str, ...]:
    """Requirements as pip takes them, such as ``acme-resnet>=1.2``."""
    return tuple(dict.fromkeys(_each(value, _requirement)))


def parse_flag(value: object) -> bool:
    """Yes or no."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in _FLAGS:
        raise ValueError(f"{one_line(repr(value))} is neither yes nor no; write true or false")
    return _FLAGS[text]


def parse_server_options(value: object) -> tuple[tuple[str, str], ...]:
    """Options of tritonserver: a TOML table, or a list of NAME=VALUE."""
    if isinstance(value, dict):
        return tuple((str(name), text) for name, item in value.items() for text in _option_texts(item))
    return tuple(_each(value, _server_option))


def _each(value: object, parse: Callable[[str], T]) -> list[T]:
    """Every text of a list, parsed; ValueError has an argument for each that cannot be."""
    parsed, wrong = [], []
    for text in _texts(value):
        try:
            parsed.append(parse(text))
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError(*wrong)
    return parsed


def _header(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z-]{1,128}", text) or text.lower().startswith("triton"):
        raise ValueError(f"{one_line(repr(text))} is no header to forward; write for example x-request-id")
    return text.lower()


def _requirement(text: str) -> str:
    # Few starts have any, and the import takes milliseconds.
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(
            f"{one_line(repr(text))} is no requirement ({one_line(error)}); write acme-resnet>=1.2"
        ) from None
    return text


def _server_option(text: str) -> tuple[str, str]:
    name, equals, rest = text.partition("=")
    name = name.strip().removeprefix("--")
    if not equals or not name:
        raise ValueError(f"{one_line(repr(text))} is not NAME=VALUE; write for example log-verbose=1")
    return name, rest


def _option_texts(value: object) -> list[str]:
    if isinstance(value, bool):
        return [str(value).lower()]
    return [text for item in value for text in _option_texts(item)] if isinstance(value, list) else [str(value)]


def _one_of(text: str, known: tuple[str, ...], kind: str) -> str:
    if text not in known:
        raise ValueError(f"{one_line(repr(text))} is no {kind}; write one of {', '.join(known)}")
    return text


def _is_whole(value: object) -> bool:
    number = isinstance(value, (int, str)) and not isinstance(value, bool)
    return number and re.fullmatch(r"[0-9]{1,9}", str(value)) is not None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{one_line(repr(value))} is no text; write it in quotes")
    return value


def _texts(value: object) -> list[str]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{one_line(repr(value))} is no list; write it in brackets")
    return [_text(item) for item in value]


def _setting(name: str, parse: Callable[[object], object], key: str = "", *, repeated: bool = False) -> Setting:
    return Setting(name, name.replace("_", "-"), key or name, parse, repeated)


SETTINGS = (
    _setting("address", parse_address),
    _setting("http_port", parse_port),
    _setting("grpc_port", parse_port),
    _setting("metrics_port", parse_port),
    _setting("tritonserver", parse_path),
    Setting("server_options", "server-option", "server_options", parse_server_options, repeated=True),
    _setting("optional", parse_names, repeated=True),
    Setting("plugins", "plugin", "enable", parse_names, repeated=True),
    Setting("disable", "no-plugin", "disable", parse_names, repeated=True),
    _setting("require", parse_requirements, repeated=True),
    _setting("plugins_dir", parse_path),
    Setting("skip_broken_hooks", "skip-broken-hooks", "skip_broken_hooks", parse_flag, flag=True),
    _setting("workers", parse_workers),
    _setting("shm_initial", parse_size, "shm.initial"),
    _setting("shm_max", parse_size, "shm.max"),
    _setting("shm_total", parse_size, "shm.total"),
    _setting("shm_growth", parse_growth, "shm.growth"),
    _setting("shm_on_full", parse_on_full, "shm.on_full"),
    _setting("shm_wait", parse_wait, "shm.wait"),
    _setting("shm_trim_after", parse_seconds, "shm.trim_after"),
    Setting("shm_lend", "shm-lend", "shm.lend", parse_flag, flag=True, on=True),
    _setting("start_parallelism", parse_start_parallelism),
    _setting("import_timeout", parse_seconds),
    _setting("load_timeout", parse_seconds),
    _setting("drain_delay", parse_seconds),
    _setting("drain_timeout", parse_seconds),
    _setting("grace_period", parse_seconds),
    _setting("allow", parse_categories, repeated=True),
    Setting("forward_headers", "forward-header", "forward_headers", parse_headers, repeated=True),
    _setting("forward_prefix", parse_forward_prefix),
    _setting("run_dir", parse_path),
    _setting("log_level", parse_log_level),
    _setting("log_format", parse_log_format),
    Setting("core_dumps", "core-dumps", "core_dumps", parse_flag, flag=True),
    Setting("strict_security", "strict-security", "strict_security", parse_flag, flag=True),
    Setting("reload", "reload", "reload", parse_flag, flag=True),
)

SECRETS = frozenset({"forward_prefix"})
"""Those whose values are not shown."""
