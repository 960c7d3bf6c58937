"""Every hook that a plugin may implement, one function each; the verb tells the calling rule; read in the host process.

An implementation takes the parameters that it needs, by name, and may leave out the others. ``settings``, which every
hook has, is the plugin's own table of the configuration file: ``[plugins.NAME]``, empty if there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytriton_plugins.hooks import start_specs
from pytriton_plugins.hooks.markers import hookspec
from pytriton_plugins.values import (
    FullAction,
    HostStatus,
    ModelConfig,
    ModelStatus,
    NamedVerdict,
    RequestInfo,
    ResponseInfo,
    RestartAction,
    ShmPolicy,
    Shortage,
    Verdict,
    WorkerExit,
    WorkerInfo,
)

if TYPE_CHECKING:
    from pytriton_plugins.model.declaration import ModelDeclaration

Settings = Mapping[str, Any]


# The command line, and the start of the host: hooks/start_specs.py has them.

pytriton_add_commands = start_specs.pytriton_add_commands
pytriton_add_models = start_specs.pytriton_add_models
pytriton_choose_server = start_specs.pytriton_choose_server
pytriton_choose_ports = start_specs.pytriton_choose_ports
pytriton_edit_server_options = start_specs.pytriton_edit_server_options
pytriton_choose_drain = start_specs.pytriton_choose_drain
pytriton_on_host_start = start_specs.pytriton_on_host_start
pytriton_on_host_ready = start_specs.pytriton_on_host_ready


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
