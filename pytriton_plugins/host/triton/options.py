"""How tritonserver is started: the daemon's options, the operator's, and what they may not change; runs in the host."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import attrs

import pytriton_plugins.backend
from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.config.problems import Problems
from pytriton_plugins.config.readers import CLOSED_CATEGORIES
from pytriton_plugins.errors import ConfigError, ServerError
from pytriton_plugins.host.system.network import bracketed, http_option, is_off, is_on
from pytriton_plugins.host.triton.locate import FoundServer, knows_option, server_options
from pytriton_plugins.host.triton.repository import GATES
from pytriton_plugins.suggestions import suggestion
from pytriton_plugins.text import one_line
from pytriton_plugins.values import Ports

_LOG = logging.getLogger("pytriton.host")
BACKENDS = Path(pytriton_plugins.backend.__file__).parent / "lib"
SECRET_HEADER = "pytriton-host"
_LOAD_THREADS = 16
_EXIT_TIMEOUT = 1
"""Seconds that tritonserver waits at its end for clients whose connections are idle."""

_WRITES_WITHIN = 2.0
"""Seconds beyond that in which it writes what it has gathered, such as a file of traces."""

_ADDED = frozenset({"model-repository", "load-model"})
"""Options that Triton takes several times: what the operator gives stands beside ours."""

_FRONT_ENDS = frozenset({"allow-vertex-ai", "allow-sagemaker"})
"""Ways in that know none of our restrictions, on ports of their own: off unless the operator asks for one."""

_FREE = _FRONT_ENDS | {
    "model-load-thread-count",
    "disable-auto-complete-config",
    "exit-timeout-secs",
    "allow-client-shm",
}
"""Options of ours that the operator may replace; all others are how the daemon reaches its own server."""

_DISPENSABLE = _FREE | {"cache-directory"}
"""Options of ours that a server may lack: without the others clients could reach what is closed to them."""


class _Cut(NamedTuple):
    """An option that cuts the daemon off from its server unless its value is ``harmless``."""

    harmless: Callable[[str], bool]
    reason: str


_OVER_GRPC = "pytriton-host calls tritonserver over gRPC"
_READS_LOG = "pytriton-host reads what tritonserver prints, and writes it into its own log; leave the option out"
_CUT_OFF = {
    "allow-grpc": _Cut(is_on, f"{_OVER_GRPC}; leave the option out"),
    **dict.fromkeys(
        ("grpc-use-ssl", "grpc-use-ssl-mutual"),
        _Cut(is_off, f"{_OVER_GRPC} without TLS; leave the option out and end TLS in a proxy before the port"),
    ),
    "reuse-grpc-port": _Cut(is_off, f"{_OVER_GRPC}, and another server could answer; leave the option out"),
    "load-model": _Cut(lambda value: value != "*", "pytriton-host loads each model by name; leave the option out"),
    "log-error": _Cut(is_on, _READS_LOG),
    "log-file": _Cut(lambda value: False, _READS_LOG),
    "log-format": _Cut(lambda value: value == "default", _READS_LOG),
    "help": _Cut(lambda value: False, "tritonserver would not serve; run it by itself for its help"),
}


def check_server_options(config: HostConfig) -> None:
    """Raises ConfigError for each ``--server-option`` that would cut the daemon off from its tritonserver."""
    problems = Problems()
    for name, value in config.server_options:
        with problems:
            _check_option(name, value, config)
    problems.tell()


def _check_option(name: str, value: str, config: HostConfig) -> None:
    ours = _our_options(attrs.evolve(config, allow=()), Ports(0, 0, 0), Path(), "")
    if name in ours and name not in _ADDED | _FREE:
        raise ConfigError(f"--server-option {name}: pytriton-host sets this itself; see 'pytriton-host serve --help'")
    if name in _CUT_OFF and not _CUT_OFF[name].harmless(value):
        raise ConfigError(f"--server-option {name}={one_line(value, 40)}: {_CUT_OFF[name].reason}")
    if _is_front_end(name, value) and config.strict_security:
        raise ConfigError(f"{_of_front_end(name)}; --strict-security refuses it: leave one of the two out")


def check_known_options(found: FoundServer, config: HostConfig) -> None:
    """Raises ConfigError for each ``--server-option`` that this tritonserver does not have, or that lacks its value.

    tritonserver itself would take the beginning of a name for the whole, past what is checked by name.
    """
    known, problems = server_options(found.path), Problems()
    for name, value in config.server_options:
        if name not in known:
            problems.add(
                f"--server-option {one_line(name, 80)}: tritonserver {found.path} has no such option"
                f"{suggestion(name, known)}"
            )
        elif known[name] and not value:
            problems.add(f"--server-option {name}: the value is missing; write --server-option {name}=VALUE")
    problems.tell()


def warn_of_server_options(config: HostConfig) -> None:
    """A line for each option that is taken and opens a way in that knows none of our restrictions."""
    for name, value in config.server_options:
        if _is_front_end(name, value):
            _LOG.warning(
                "%s, 8080 unless told otherwise, and need not keep to --address",
                _of_front_end(name),
            )
    if config.forward_headers and not config.forward_prefix:
        _LOG.warning(
            "forward_headers: a client can write a parameter of the same name, so models find these among the "
            "parameters of requests and not in headers; set forward_prefix to tell them apart"
        )


def _is_front_end(name: str, value: str) -> bool:
    return name in _FRONT_ENDS and not is_off(value)


def _of_front_end(name: str) -> str:
    return f"--server-option {name}: this front end passes over every closed category, on a port of its own"


def command_line(found: FoundServer, config: HostConfig, ports: Ports, repository: Path, secret: str) -> list[str]:
    """How this tritonserver is started; raises ServerError when it lacks an option that keeps clients out."""
    asked = {name for name, _ in config.server_options} - _ADDED
    options = {**_our_options(config, ports, repository, secret), **_cache_options(found, config)}.items()
    ours = [(name, value) for name, value in options if name not in asked and _has_option(found.path, name)]
    flags = [f"--{name}={value}" if value else f"--{name}" for name, value in (*ours, *config.server_options)]
    return [str(found.path), *flags]


def has_cache(config: HostConfig) -> bool:
    """Whether tritonserver is started with a response cache, for the models that want one."""
    return any(name in ("cache-config", "response-cache-byte-size") for name, _ in config.server_options)


def exit_seconds(config: HostConfig) -> float:
    """Seconds that tritonserver needs to end by itself where it writes something then; 0 where it does not."""
    if not has_cache(config) and not any(name.startswith("trace-") for name, _ in config.server_options):
        return 0.0
    said = dict(config.server_options).get("exit-timeout-secs", "")
    return (int(said) if said.isascii() and said.isdigit() else _EXIT_TIMEOUT) + _WRITES_WITHIN


def _cache_options(found: FoundServer, config: HostConfig) -> dict[str, str]:
    """Where this server's caches lie, if it is not in Triton's usual place."""
    folder = found.path.parent.parent / "caches"
    return {"cache-directory": str(folder)} if has_cache(config) and folder.is_dir() else {}


def _has_option(path: Path, name: str) -> bool:
    known = knows_option(path, name)
    if not known and name not in _DISPENSABLE:
        raise ServerError(
            f"tritonserver {path} has no option --{name}, which pytriton-host needs; install a newer one, "
            "or name another with --tritonserver"
        )
    return known


def _our_options(config: HostConfig, ports: Ports, repository: Path, secret: str) -> dict[str, str]:
    http, grpc = http_option(config.address), bracketed(config.address)
    options = {
        "model-repository": str(repository),
        "model-control-mode": "explicit",
        "load-model": GATES[0],
        "exit-on-error": "false",
        "strict-readiness": "true",
        "disable-auto-complete-config": "",
        "model-load-thread-count": str(_LOAD_THREADS),
        "backend-directory": str(BACKENDS),
        "exit-timeout-secs": str(_EXIT_TIMEOUT),
        "http-address": http,
        "http-port": str(ports.http),
        "grpc-address": grpc,
        "grpc-port": str(ports.grpc),
        "metrics-address": http,
        "metrics-port": str(ports.metrics),
        "allow-vertex-ai": "false",
        "allow-sagemaker": "false",
    }
    if "shared-memory" in config.allow:
        options["allow-client-shm"] = "true"
    if config.forward_headers:
        pattern = f"(?i)^{config.forward_prefix or ''}({'|'.join(config.forward_headers)})$"
        options["http-header-forward-pattern"] = options["grpc-header-forward-pattern"] = pattern
    closed = ",".join(category for category in CLOSED_CATEGORIES if category not in config.allow)
    if closed:
        options["http-restricted-api"] = f"{closed}:{SECRET_HEADER}={secret}"
        options["grpc-restricted-protocol"] = f"{closed}:{SECRET_HEADER}={secret}"
    return options
