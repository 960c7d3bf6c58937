"""Every hook that a plugin may implement, one function each; the verb tells the calling rule; read in the host process.

An implementation takes the parameters that it needs, by name, and may leave out the others.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytriton_plugins.hooks.markers import hookspec
from pytriton_plugins.values import HostStatus, Ports, ShmPolicy, Verdict

if TYPE_CHECKING:
    from pytriton_plugins.models import ModelDeclaration


@hookspec
def pytriton_choose_server(candidates: tuple[Path, ...]) -> Path | None:
    """Before tritonserver is launched, when neither option nor variable names one: which one to take.

    :param candidates: the tritonserver programs that were found on this machine, best first; may be empty
    :return: the path of a tritonserver program, or None to leave the choice to the next plugin
    """


@hookspec
def pytriton_choose_ports(ports: Ports, attempt: int, taken: tuple[int, ...]) -> Ports | None:
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
def pytriton_choose_shm_policy(model: ModelDeclaration, default: ShmPolicy) -> ShmPolicy | None:
    """Once for each model, before its first segment is made: how much shared memory it gets.

    :param model: what the model's author declared
    :param default: the policy that options, variables and the configuration file give
    :return: the model's policy, or None to leave the choice to the next plugin
    """


@hookspec
def pytriton_check_readiness(host: HostStatus) -> Verdict | None:
    """Every quarter of a second while the host runs, in its health thread: may the daemon be ready?

    All plugins are asked and all must agree; an exception counts as a failed verdict with its message.

    :param host: the daemon and its models as they stand now
    :return: ``Verdict(False, "why")`` to hold ready at 400, ``Verdict(True)`` or None for no objection
    """
