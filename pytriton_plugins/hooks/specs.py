"""Every hook that a plugin may implement, one function each; the verb in its name is the calling rule.

An implementation takes the parameters that it needs, by name, and may omit the others. ``settings``, which every hook
has, is the plugin's own table of the configuration file: ``[plugins.NAME]``, empty if there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytriton_plugins.hooks.markers import hookspec
from pytriton_plugins.values import (
    Drain,
    FullAction,
    HostStatus,
    ModelConfig,
    ModelReference,
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

    from pytriton_plugins.model.declaration import ModelDeclaration

Settings = Mapping[str, Any]


# The command line


@hookspec
def pytriton_add_commands(settings: Settings) -> Iterable[click.Command] | None:
    """When `pytriton-host` lists its commands or is given one that is not built in: further commands.

    :return: click commands. A name that two plugins add is used from neither, and one line names both
    """


# The start of the daemon


@hookspec
def pytriton_add_models(host: HostStatus, settings: Settings) -> Iterable[ModelReference] | None:
    """Once at the start of the daemon, when the command line names no target: the model plugins.

    :param host: the daemon as it starts
    :return: references to modules or marked callables. Built in: every installed entry point
    """


@hookspec
def pytriton_choose_server(candidates: tuple[Path, ...], settings: Settings) -> Path | None:
    """Before tritonserver is started, when neither an option nor a variable names one: the program to use.

    :param candidates: the tritonserver programs that were found on this machine, best first; may be empty
    :return: the path of a tritonserver program, or None to leave the choice to the next plugin
    """


@hookspec
def pytriton_choose_ports(ports: Ports, attempt: int, taken: tuple[int, ...], settings: Settings) -> Ports | None:
    """Before tritonserver is started, and again for each answer with a port that is in use: the ports to listen on.

    :param ports: the ports as configured
    :param attempt: 0 at first, then how often the daemon has bound the ports to check them and found one in use
    :param taken: the ports found in use so far
    :return: the ports to use, or None to leave the choice to the next plugin. Options, variables and the configuration
        file override them. Without an answer the default ports are used at first, and a port in use ends the start
    """


@hookspec
def pytriton_edit_server_options(options: ServerOptions, settings: Settings) -> ServerOptions | None:
    """Before tritonserver is started: its options, without those that the daemon itself sets.

    :param options: those of ``--server-option``, as changed by earlier plugins
    :return: the options to use, or None to leave them. ``--server-option``, its variable and its key override them
    """


@hookspec
def pytriton_choose_drain(default: Drain, settings: Settings) -> Drain | None:
    """Once at the start of the daemon, before it checks that a stop fits into the grace period: how it stops.

    :param default: the values of options, variables and the configuration file, and the defaults
    :return: the delay, timeout and grace period to use, or None to leave the choice to the next plugin. Options,
        variables and the configuration file override them. A timeout that is set nowhere is what the grace period
        leaves. A stop that does not fit into the grace period ends the start
    """


@hookspec
def pytriton_on_host_start(host: HostStatus, settings: Settings) -> None:
    """Once, after all checks and before anything is started.

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
    :param config: the daemon's configuration with the author's ``triton_config``, without warm-up and queue limits
    :return: the configuration to use, or None to leave it. Name, backend, versions, inputs, outputs, instances stay
    """


@hookspec
def pytriton_choose_shm_policy(model: ModelDeclaration, default: ShmPolicy, settings: Settings) -> ShmPolicy | None:
    """Once for each model, before its first segment is made: how much shared memory it may have.

    :param model: what the model's author declared
    :param default: the policy of options, variables and the configuration file
    :return: the model's policy, or None to leave the choice to the next plugin
    """


@hookspec
def pytriton_choose_shm_full_action(
    model: ModelDeclaration, shortage: Shortage, settings: Settings
) -> FullAction | None:
    """Each time a batch needs more shared memory than the model or the machine has: what to do.

    :param model: what the model's author declared
    :param shortage: how much is needed, in use, allowed and left
    :return: `Grow`, `Wait` or `Reject`, or None to leave the choice to the next plugin. Built in: the model's policy
    """


@hookspec
def pytriton_edit_worker_env(
    env: Mapping[str, str], plugin: str, model: ModelDeclaration | None, worker: WorkerInfo, settings: Settings
) -> Mapping[str, str] | None:
    """Before each worker is started: its environment variables.

    :param env: the variables of the daemon, as changed by earlier plugins
    :param plugin: the name of the model plugin
    :param model: what the model's author declared; None for the first worker of a plugin, whose models are not known.
        For its first model the hook is called again, and another answer restarts that worker
    :param worker: the worker that will be started
    :return: all variables to use (those with the value None are removed), or None to leave them as they are
    """


@hookspec
def pytriton_on_worker_start(worker: WorkerInfo, settings: Settings) -> None:
    """Each time a worker process was started.

    :param worker: the process, which imports its plugin now
    """


@hookspec
def pytriton_on_worker_ready(worker: WorkerInfo, settings: Settings) -> None:
    """Each time a worker has set up its model and is connected to tritonserver.

    :param worker: the process
    """


@hookspec
def pytriton_on_worker_exit(worker: WorkerInfo, exit: WorkerExit, settings: Settings) -> None:
    """Each time a worker process has ended.

    :param worker: the process that ended
    :param exit: how it ended
    """


@hookspec
def pytriton_choose_restart(
    worker: WorkerInfo, exit: WorkerExit, history: Sequence[WorkerExit], settings: Settings
) -> RestartAction | None:
    """Each time a worker has ended that the daemon did not end: what replaces it.

    :param worker: the process that ended
    :param exit: how it ended
    :param history: the unexpected ends in the same place before this one, the oldest first, at most 16
    :return: `Restart`, `GiveUp` or `StopHost`, or None to leave the choice to the next plugin. Built in: `Restart` half
        a second after the worker's start, or at once if that has passed; 0.5 s after the second end within 60 s, then
        twice as long each time, at most 30 s; `GiveUp` after the fifth end within 60 s
    """


# Health


@hookspec
def pytriton_check_liveness(host: HostStatus, settings: Settings) -> Verdict | None:
    """Every quarter of a second while the daemon serves, in its health thread: whether it is alive.

    :param host: the daemon and its models now
    :return: ``Verdict(False, "why")`` to stop the daemon in order, with exit code 1; ``Verdict(True)`` or None to
        continue. An exception is logged and has no other effect
    """


@hookspec
def pytriton_check_readiness(host: HostStatus, settings: Settings) -> Verdict | None:
    """Every quarter of a second while the daemon runs, in its health thread: whether it may be ready.

    :param host: the daemon and its models now
    :return: ``Verdict(False, "why")``, or an exception, to hold ready at 400; ``Verdict(True)`` or None: no objection
    """


@hookspec
def pytriton_check_model_readiness(model: ModelDeclaration, status: ModelStatus, settings: Settings) -> Verdict | None:
    """Every quarter of a second for each required model, in the health thread: whether it may count as ready.

    :param model: what the model's author declared
    :param status: the state of the model now
    :return: ``Verdict(False, "why")`` to hold ready at 400, ``Verdict(True)`` or None for no objection
    """


@hookspec
def pytriton_choose_readiness(
    host: HostStatus, verdicts: tuple[NamedVerdict, ...], settings: Settings
) -> Verdict | None:
    """After all readiness checks, in the health thread: the final verdict.

    :param host: the daemon and its models now
    :param verdicts: those of the daemon itself, its models and the plugins, each with its source
    :return: the verdict to use, or None to leave the choice to the next plugin. Built in: ready if all are ok
    """


# Inside a worker


@hookspec
def pytriton_on_worker_setup(model: ModelDeclaration, settings: Settings) -> None:
    """Once in each worker process that has a plugin with one of these three hooks, before its first request.

    :param model: what the model's author declared
    """


@hookspec
def pytriton_on_request(request: RequestInfo, settings: Settings) -> None:
    """For each request in the worker, before the callable gets its batch.

    :param request: its model and size
    """


@hookspec
def pytriton_on_response(request: RequestInfo, outcome: ResponseInfo, settings: Settings) -> None:
    """For each request in the worker, before its answer is sent.

    :param request: its model and size
    :param outcome: whether it succeeded, and how long it took
    """


# The end of the daemon


@hookspec
def pytriton_on_host_drain(host: HostStatus, settings: Settings) -> None:
    """Once, when the daemon begins to stop: it is not ready any more and finishes the requests in flight.

    :param host: the daemon and its models
    """


@hookspec
def pytriton_on_host_stop(host: HostStatus, settings: Settings) -> None:
    """Once, when tritonserver and all workers have ended.

    :param host: the daemon as it ends
    """
