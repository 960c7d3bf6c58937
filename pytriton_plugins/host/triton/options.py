"""The options of tritonserver: the daemon's, the operator's, and checks of the latter."""

from __future__ import annotations

import logging
from collections.abc import Collection, Container, Sequence
from pathlib import Path
from typing import NamedTuple

import attrs

from pytriton_plugins.config.problems import Problems
from pytriton_plugins.config.readers import CLOSED_CATEGORIES
from pytriton_plugins.errors import ConfigError, ServerError
from pytriton_plugins.host.system.network import OFF, ON, Options, bracketed, http_option, is_off
from pytriton_plugins.host.triton.backends import BACKENDS
from pytriton_plugins.host.triton.locate import FoundServer, knows_option, server_options
from pytriton_plugins.host.triton.repository import GATES
from pytriton_plugins.text import one_line
from pytriton_plugins.text.suggestions import suggestion
from pytriton_plugins.values import Ports

_LOG = logging.getLogger("pytriton.host")
SECRET_HEADER = "pytriton-host"
_LOAD_THREADS = 16
_EXIT_TIMEOUT = 1
"""Seconds that tritonserver waits at its end for clients whose connections are idle."""

_WRITE_TIMEOUT = 2.0
"""Seconds beyond that for files that it writes at its end, such as traces."""

_ADDED = frozenset({"model-repository", "load-model"})
"""Options that Triton takes several times: the operator's are added to ours."""

_FRONT_ENDS = frozenset({"allow-vertex-ai", "allow-sagemaker"})
"""Front ends that ignore our restrictions, on ports of their own: off unless the operator turns one on."""

_REPLACEABLE = _FRONT_ENDS | {
    "model-load-thread-count",
    "disable-auto-complete-config",
    "exit-timeout-secs",
    "allow-client-shm",
}
"""Options of ours that the operator may replace; the daemon needs all others to reach its own server."""

_DISPENSABLE = _REPLACEABLE | {"cache-directory"}
"""Options of ours that a server may lack; without the others clients could reach closed categories."""


class _Cut(NamedTuple):
    """An option that cuts the daemon off from its server, or ends it.

    Harmless are the values in ``switch``, in any case, and ``harmless``; or all but ``harmful``.
    """

    reason: str
    switch: Container[str] = ()
    harmless: str | None = None
    harmful: str | None = None

    def allows(self, value: str) -> bool:
        """Whether the daemon can work with this value."""
        if self.harmful is not None:
            return value != self.harmful
        return value == self.harmless or value.lower() in self.switch


_OVER_GRPC = "pytriton-host calls tritonserver over gRPC"
_READS_LOG = "pytriton-host reads what tritonserver prints, and writes it into its own log; leave the option out"
_CUTS_OFF = {
    "allow-grpc": _Cut(f"{_OVER_GRPC}; leave the option out", ON),
    **dict.fromkeys(
        ("grpc-use-ssl", "grpc-use-ssl-mutual"),
        _Cut(f"{_OVER_GRPC} without TLS; leave the option out and end TLS in a proxy before the port", OFF),
    ),
    "reuse-grpc-port": _Cut(f"{_OVER_GRPC}, and another server could answer; leave the option out", OFF),
    "load-model": _Cut("pytriton-host loads each model by name; leave the option out", harmful="*"),
    "log-error": _Cut(_READS_LOG, ON),
    "log-file": _Cut(_READS_LOG),
    "log-format": _Cut(_READS_LOG, harmless="default"),
    "allow-vertex-ai": _Cut(
        "tritonserver needs a loaded model before it starts this front end, and pytriton-host loads models after that; "
        "leave the option out, and give Vertex AI the routes /v2/models/NAME/infer and /v2/health/ready",
        OFF,
    ),
    "help": _Cut("tritonserver would not serve; run it by itself for its help"),
}


@attrs.frozen
class ServerSettings:
    """The settings that decide how tritonserver is started.

    ``options`` are the operator's and those of hook plugins; ``allow`` names the closed categories that are open.
    ``load_timeout`` is the seconds that it may take to answer first, or to load a model.
    """

    address: str = "127.0.0.1"
    options: Options = ()
    allow: Collection[str] = ()
    forward_headers: Sequence[str] = ()
    forward_prefix: str | None = attrs.field(default=None, repr=False)
    strict_security: bool = False
    load_timeout: float = 60.0


def check_server_options(settings: ServerSettings) -> None:
    """Raises ConfigError for each ``--server-option`` that would cut the daemon off from its tritonserver."""
    problems = Problems()
    for name, value in settings.options:
        with problems:
            _check_option(name, value, settings)
    problems.tell()


def _check_option(name: str, value: str, settings: ServerSettings) -> None:
    ours = _our_options(attrs.evolve(settings, allow=()), Ports(0, 0, 0), Path(), "")
    if name in ours and name not in _ADDED | _REPLACEABLE:
        raise ConfigError(f"--server-option {name}: pytriton-host sets this itself; see 'pytriton-host serve --help'")
    if name in _CUTS_OFF and not _CUTS_OFF[name].allows(value):
        raise ConfigError(f"--server-option {name}={one_line(value, 40)}: {_CUTS_OFF[name].reason}")
    if _is_front_end(name, value) and settings.strict_security:
        raise ConfigError(f"{_of_front_end(name)}; --strict-security refuses it: leave one of the two out")


def check_known_options(found: FoundServer, options: Options) -> None:
    """Raises ConfigError for each ``--server-option`` that this tritonserver does not have, or that lacks its value.

    tritonserver itself accepts the beginning of a name, which would bypass the checks by name.
    """
    known, problems = server_options(found.path), Problems()
    for name, value in options:
        if name not in known:
            problems.add(
                f"--server-option {one_line(name, 80)}: tritonserver {found.path} has no such option"
                f"{suggestion(name, known)}"
            )
        elif known[name] and not value:
            problems.add(f"--server-option {name}: the value is missing; write --server-option {name}=VALUE")
    problems.tell()


def warn_of_server_options(settings: ServerSettings) -> None:
    """Warn of each option that opens a front end without our restrictions, and of headers without a prefix."""
    for name, value in settings.options:
        if _is_front_end(name, value):
            _LOG.warning(
                "%s (8080 by default), and it may not keep to --address",
                _of_front_end(name),
            )
    if settings.forward_headers and not settings.forward_prefix:
        _LOG.warning(
            "forward_headers: a client can send a parameter of the same name, so models find these among the "
            "parameters of requests and not in headers; set forward_prefix to distinguish them"
        )


def _is_front_end(name: str, value: str) -> bool:
    return name in _FRONT_ENDS and not is_off(value)


def _of_front_end(name: str) -> str:
    return f"--server-option {name}: this front end ignores every closed category, on a port of its own"


def command_line(
    found: FoundServer,
    settings: ServerSettings,
    ports: Ports,
    repository: Path,
    secret: str,
    backends: Path = BACKENDS,
) -> list[str]:
    """How this tritonserver is started; raises ServerError when it lacks an option that keeps clients out."""
    replaced = {name for name, _ in settings.options} - _ADDED
    ours_by_name = {**_our_options(settings, ports, repository, secret), "backend-directory": str(backends)}
    defaults = {**ours_by_name, **_cache_options(found, settings.options)}
    ours = [item for item in defaults.items() if item[0] not in replaced and _has_option(found.path, item[0])]
    flags = [f"--{name}={value}" if value else f"--{name}" for name, value in (*ours, *settings.options)]
    return [str(found.path), *flags]


def has_cache(options: Options) -> bool:
    """Whether tritonserver is started with a response cache, for the models that want one."""
    return any(name in ("cache-config", "response-cache-byte-size") for name, _ in options)


def exit_seconds(options: Options) -> float:
    """Seconds that tritonserver needs to end by itself where it writes something then; 0 where it does not."""
    if not has_cache(options) and not any(name.startswith("trace-") for name, _ in options):
        return 0.0
    timeout = dict(options).get("exit-timeout-secs", "")
    return (int(timeout) if timeout.isascii() and timeout.isdigit() else _EXIT_TIMEOUT) + _WRITE_TIMEOUT


def _cache_options(found: FoundServer, options: Options) -> dict[str, str]:
    """The folder of this server's caches, if it is not Triton's default."""
    folder = found.path.parent.parent / "caches"
    return {"cache-directory": str(folder)} if has_cache(options) and folder.is_dir() else {}


def _has_option(path: Path, name: str) -> bool:
    known = knows_option(path, name)
    if not known and name not in _DISPENSABLE:
        raise ServerError(
            f"tritonserver {path} has no option --{name}, which pytriton-host needs; install a newer one, "
            "or name another with --tritonserver"
        )
    return known


def _our_options(settings: ServerSettings, ports: Ports, repository: Path, secret: str) -> dict[str, str]:
    http, grpc = http_option(settings.address), bracketed(settings.address)
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
    if "shared-memory" in settings.allow:
        options["allow-client-shm"] = "true"
    if settings.forward_headers:
        names = "|".join(name.replace(".", "[.]") for name in settings.forward_headers)
        pattern = f"(?i)^{settings.forward_prefix or ''}({names})$"
        options["http-header-forward-pattern"] = options["grpc-header-forward-pattern"] = pattern
    closed = ",".join(category for category in CLOSED_CATEGORIES if category not in settings.allow)
    if closed:
        options["http-restricted-api"] = f"{closed}:{SECRET_HEADER}={secret}"
        options["grpc-restricted-protocol"] = f"{closed}:{SECRET_HEADER}={secret}"
    return options
