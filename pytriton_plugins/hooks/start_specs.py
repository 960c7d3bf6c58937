"""The hooks of the command line and of the start of the host; specs.py has the others; read in the host process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytriton_plugins.hooks.markers import hookspec
from pytriton_plugins.values import Drain, HostStatus, Ports, ServerOptions

if TYPE_CHECKING:
    import click

    from pytriton_plugins.discovery.references import ModelReference

Settings = Mapping[str, Any]


# The command line


@hookspec
def pytriton_add_commands(settings: Settings) -> Iterable[click.Command] | None:
    """When `pytriton-host` is asked for its commands, or for one that is not its own: further commands.

    Runs in the process of the command line.

    :return: click commands. A name that two plugins add is taken from neither, and one line names both
    """


# The start of the host


@hookspec
def pytriton_add_models(host: HostStatus, settings: Settings) -> Iterable[ModelReference] | None:
    """Once at the start of the host, when no target is named: which model plugins there are.

    :param host: the daemon as it starts
    :return: references to modules or marked callables. The built-in answer is every installed entry point
    """


@hookspec
def pytriton_choose_server(candidates: tuple[Path, ...], settings: Settings) -> Path | None:
    """Before tritonserver is launched, when neither option nor variable names one: which one to take.

    :param candidates: the tritonserver programs that were found on this machine, best first; may be empty
    :return: the path of a tritonserver program, or None to leave the choice to the next plugin
    """


@hookspec
def pytriton_choose_ports(ports: Ports, attempt: int, taken: tuple[int, ...], settings: Settings) -> Ports | None:
    """Before tritonserver is launched, and again for each answer with a port that is in use: where to listen.

    Whether a port is free is checked by binding it; tritonserver is launched once, when all three are.

    :param ports: the ports as configured
    :param attempt: 0 at first; above 0 the number of checks that found a port taken
    :param taken: the ports found taken so far
    :return: the ports to use, or None to leave the choice to the next plugin. What an option, a variable or the
        configuration file sets stays as it is set; without an answer the default ports are used on attempt 0,
        and the start ends with one line that names the taken port after that
    """


@hookspec
def pytriton_edit_server_options(options: ServerOptions, settings: Settings) -> ServerOptions | None:
    """Before tritonserver is launched: its options, but for those by which the daemon reaches its own server.

    :param options: those of ``--server-option`` and what earlier plugins made of them
    :return: the options to use, or None to leave them as they are. What ``--server-option`` or its variable or key
        sets is put back over the answer
    """


@hookspec
def pytriton_choose_drain(default: Drain, settings: Settings) -> Drain | None:
    """Once at the start of the host, before it is checked that a stop fits into the grace period: how it stops.

    :param default: what options, variables and the configuration file set, and the defaults
    :return: the delay, the time-out and the grace period to use, or None to leave the choice to the next plugin. What
        an option, a variable or the configuration file sets stays as it is set. A time-out that is neither set nor
        changed becomes what the grace period leaves. A stop that does not fit into the grace period ends the start with
        one line
    """


@hookspec
def pytriton_on_host_start(host: HostStatus, settings: Settings) -> None:
    """Once, when everything that can be checked was checked and nothing was started yet.

    :param host: the daemon; its ports are known
    """


@hookspec
def pytriton_on_host_ready(host: HostStatus, settings: Settings) -> None:
    """Each time the daemon becomes ready, so that `/v2/health/ready` answers 200.

    :param host: the daemon and its models
    """
