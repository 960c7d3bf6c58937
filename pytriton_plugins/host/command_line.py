"""How tritonserver is started: the daemon's options, the operator's, and what they may not change; runs in the host."""

from __future__ import annotations

import logging
from pathlib import Path

import pytriton_plugins.backend
from pytriton_plugins.config import HostConfig
from pytriton_plugins.errors import ConfigError, ServerError
from pytriton_plugins.host.locate import FoundServer, knows_option
from pytriton_plugins.host.repository import GATES
from pytriton_plugins.problems import Problems
from pytriton_plugins.settings import CLOSED_CATEGORIES
from pytriton_plugins.values import Ports

_LOG = logging.getLogger("pytriton.host")
BACKENDS = Path(pytriton_plugins.backend.__file__).parent / "lib"
SECRET_HEADER = "pytriton-host"
_LOAD_THREADS = 16

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


def check_server_options(config: HostConfig) -> None:
    """Raises ConfigError for each ``--server-option`` that would cut the daemon off from its tritonserver."""
    problems = Problems()
    for name, value in config.server_options:
        with problems:
            _check_option(name, value, config)
    problems.tell()


def _check_option(name: str, value: str, config: HostConfig) -> None:
    if name in _our_options(config, Ports(0, 0, 0), Path(), "") and name not in _ADDED | _FREE:
        raise ConfigError(f"--server-option {name}: pytriton-host sets this itself; see 'pytriton-host serve --help'")
    if _is_front_end(name, value) and config.strict_security:
        raise ConfigError(f"{_of_front_end(name)}; --strict-security refuses it: leave one of the two out")


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
    return name in _FRONT_ENDS and value.lower() not in ("false", "0")


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
    address = config.address
    options = {
        "model-repository": str(repository),
        "model-control-mode": "explicit",
        "load-model": GATES[0],
        "exit-on-error": "false",
        "strict-readiness": "true",
        "disable-auto-complete-config": "",
        "model-load-thread-count": str(_LOAD_THREADS),
        "backend-directory": str(BACKENDS),
        "exit-timeout-secs": "1",
        "http-address": address,
        "http-port": str(ports.http),
        "grpc-address": address,
        "grpc-port": str(ports.grpc),
        "metrics-address": address,
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
