"""Every hook that a plugin may implement, one function each; the verb tells the calling rule; read in the host process.

An implementation takes the parameters that it needs, by name, and may leave out the others. ``settings``, which every
hook has, is the plugin's own table of the configuration file: ``[plugins.NAME]``, empty if there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytriton_plugins.hooks.markers import hookspec
from pytriton_plugins.values import (
    FullAction,
    HostStatus,
    ModelConfig,
    ModelStatus,
    NamedVerdict,
    Ports,
    RequestInfo,
    ResponseInfo,
    RestartAction,
    ServerOptions,
    ShmPolicy,
    Shortage,
    Verdict,
    WorkerExit,
    WorkerInfo,
)

if TYPE_CHECKING:
    import click

    from pytriton_plugins.discovery.references import ModelReference
    from pytriton_plugins.models import ModelDeclaration

Settings = Mapping[str, Any]


# The command line


@hookspec
def pytriton_add_commands(settings: Settings) -> Iterable[click.Command] | None:
    """When `pytriton-host` is asked for its commands, or for one that is not its own: further commands.

    Runs in the process of the command line.

    :return: click commands; one whose name is taken is a conflict that names both plugins
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
def pytriton_on_host_start(host: HostStatus, settings: Settings) -> None:
    """Once, when everything that can be checked was checked and nothing was started yet.

    :param host: the daemon; its ports are known
    """


@hookspec
def pytriton_on_host_ready(host: HostStatus, settings: Settings) -> None:
    """Each time the daemon becomes ready, so that `/v2/health/ready` answers 200.

    :param host: the daemon and its models
    """


# Models and their workers


@hookspec
def pytriton_edit_model_config(model: ModelDeclaration, config: ModelConfig, settings: Settings) -> ModelConfig | None:
    """For each model before it is registered with Triton: Triton's configuration of it.

    :param model: what the model's author declared
    :param config: the configuration that the daemon made, with the author's ``triton_config`` but for warm-up samples
        and queue limits, which the workers and the backend see to
    :return: the configuration to use, or None to leave it as it is. Name, backend, versions, inputs, outputs and
        instances are the daemon's and stay as they are
    """


@hookspec
def pytriton_choose_shm_policy(model: ModelDeclaration, default: ShmPolicy, settings: Settings) -> ShmPolicy | None:
    """Once for each model, before its first segment is made: how much shared memory it gets.

    :param model: what the model's author declared
    :param default: the policy that options, variables and the configuration file give
    :return: the model's policy, or None to leave the choice to the next plugin
    """


@hookspec
def pytriton_choose_shm_full_action(
    model: ModelDeclaration, shortage: Shortage, settings: Settings
) -> FullAction | None:
    """Each time a batch needs more shared memory than the model or the machine has: what to do.

    :param model: what the model's author declared
    :param shortage: how much is needed, in use, allowed and left
    :return: `Grow`, `Wait` or `Reject`, or None to leave the choice to the next plugin. Built in is what the model's
        policy says
    """


@hookspec
def pytriton_edit_worker_env(
    env: Mapping[str, str], plugin: str, model: ModelDeclaration | None, worker: WorkerInfo, settings: Settings
) -> Mapping[str, str] | None:
    """Before each worker is started: its environment variables.

    The first worker of a plugin is started before its models are known, with ``model=None``, and becomes the first
    model's worker. The hook is asked again with the model then; another answer starts the worker anew.

    :param env: the variables so far, at first those of the daemon
    :param plugin: the name of the model plugin
    :param model: what the model's author declared, or None
    :param worker: the worker to be started
    :return: all variables to use (one whose value is None is taken away), or None to leave them as they are
    """


@hookspec
def pytriton_on_worker_start(worker: WorkerInfo, settings: Settings) -> None:
    """Each time a worker process was started.

    :param worker: the process; it imports its plugin now
    """


@hookspec
def pytriton_on_worker_ready(worker: WorkerInfo, settings: Settings) -> None:
    """Each time a worker has set its model up and is connected to tritonserver.

    :param worker: the process
    """


@hookspec
def pytriton_on_worker_exit(worker: WorkerInfo, exit: WorkerExit, settings: Settings) -> None:
    """Each time a worker process has ended.

    :param worker: the process that was
    :param exit: how it ended
    """


@hookspec
def pytriton_choose_restart(
    worker: WorkerInfo, exit: WorkerExit, history: Sequence[WorkerExit], settings: Settings
) -> RestartAction | None:
    """Each time a worker has ended that the daemon did not end: what comes in its place.

    :param worker: the process that was
    :param exit: how it ended
    :param history: the unexpected ends in the same place before this one, the oldest first, at most 16
    :return: `Restart`, `GiveUp` or `StopHost`, or None to leave the choice to the next plugin. Built in: another worker
        half a second after the start of one that ended, at once if that has passed; 0.5 s after the second end within
        60 s, then twice as long each time, at most 30 s; given up after the fifth within 60 s
    """


# Health


@hookspec
def pytriton_check_liveness(host: HostStatus, settings: Settings) -> Verdict | None:
    """Every quarter of a second while the host serves, in its health thread: is the daemon alive?

    :param host: the daemon and its models as they stand now
    :return: ``Verdict(False, "why")`` stops the daemon in order, with exit code 1; ``Verdict(True)`` or None: go on.
        An exception is logged and stops nothing
    """


@hookspec
def pytriton_check_readiness(host: HostStatus, settings: Settings) -> Verdict | None:
    """Every quarter of a second while the host runs, in its health thread: may the daemon be ready?

    All plugins are asked and all must agree; an exception counts as a failed verdict with its message.

    :param host: the daemon and its models as they stand now
    :return: ``Verdict(False, "why")`` to hold ready at 400, ``Verdict(True)`` or None for no objection
    """


@hookspec
def pytriton_check_model_readiness(model: ModelDeclaration, status: ModelStatus, settings: Settings) -> Verdict | None:
    """Every quarter of a second for each required model, in the health thread: may it count as ready?

    :param model: what the model's author declared
    :param status: the model as it stands now
    :return: ``Verdict(False, "why")`` to hold ready at 400, ``Verdict(True)`` or None for no objection
    """


@hookspec
def pytriton_choose_readiness(
    host: HostStatus, verdicts: tuple[NamedVerdict, ...], settings: Settings
) -> Verdict | None:
    """After all readiness checks, in the health thread: the verdict that counts.

    :param host: the daemon and its models as they stand now
    :param verdicts: what the daemon itself, its models and the plugins say, each with its source
    :return: the verdict, stricter or laxer than theirs, or None to leave the choice to the next plugin. Built in: ready
        if all are ok
    """


# Inside a worker


@hookspec
def pytriton_on_worker_setup(model: ModelDeclaration, settings: Settings) -> None:
    """Once in each worker process, when its model was set up and before its first request.

    Runs in the worker; nothing is imported there for a plugin without one of these three hooks.

    :param model: what the model's author declared
    """


@hookspec
def pytriton_on_request(request: RequestInfo, settings: Settings) -> None:
    """For each request in the worker, before the callable gets its batch.

    :param request: which model, and how large
    """


@hookspec
def pytriton_on_response(request: RequestInfo, outcome: ResponseInfo, settings: Settings) -> None:
    """For each request in the worker, before its answer is sent.

    :param request: which model, and how large
    :param outcome: whether it succeeded, and how long it took
    """


# The end of the host


@hookspec
def pytriton_on_host_drain(host: HostStatus, settings: Settings) -> None:
    """Once, when the daemon was told to stop: it is no longer ready and finishes what is in flight.

    :param host: the daemon and its models
    """


@hookspec
def pytriton_on_host_stop(host: HostStatus, settings: Settings) -> None:
    """Once, when tritonserver and all workers have ended.

    :param host: the daemon as it ends
    """
