"""One typed method for each hook.

A worker has a manager too if a plugin implements hooks that workers call (worker/hooks.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytriton_plugins.hooks import calling as calls
from pytriton_plugins.hooks.calling import Answer, Gathered
from pytriton_plugins.hooks.registry import BUILT_IN, HookRegistry
from pytriton_plugins.values import (
    Drain,
    FullAction,
    GiveUp,
    Grow,
    HostStatus,
    ModelConfig,
    ModelReference,
    ModelStatus,
    NamedVerdict,
    Ports,
    Reject,
    RequestInfo,
    ResponseInfo,
    Restart,
    RestartAction,
    ServerOptions,
    ShmPolicy,
    Shortage,
    StopHost,
    Verdict,
    Wait,
    WorkerExit,
    WorkerInfo,
)

if TYPE_CHECKING:
    import click

    from pytriton_plugins.model.declaration import ModelDeclaration

__all__ = ["BUILT_IN", "HookManager"]


class HookManager(HookRegistry):
    """Calls the hooks of the registered plugins; no other code uses pluggy's hook callers."""

    # The command line

    def add_commands(self) -> Gathered[click.Command]:
        """Further commands of `pytriton-host`."""
        import click

        caller = self._caller("pytriton_add_commands")
        return calls.add(caller, self._with_settings(), click.Command, lambda command: str(command.name))

    # The start of the daemon

    def add_models(self, host: HostStatus) -> Gathered[ModelReference]:
        """The model plugins."""
        caller = self._caller("pytriton_add_models")
        return calls.add(caller, self._with_settings(host=host), ModelReference, lambda reference: reference.place)

    def choose_server(self, candidates: Sequence[Path]) -> Answer[Path] | None:
        """The tritonserver to use; None without a candidate and without a plugin that names one."""
        return self._choose("pytriton_choose_server", Path, candidates=tuple(candidates))

    def choose_ports(self, ports: Ports, attempt: int = 0, taken: Sequence[int] = ()) -> Answer[Ports] | None:
        """The ports to listen on; None when a port is in use and no plugin chooses others."""
        return self._choose("pytriton_choose_ports", Ports, ports=ports, attempt=attempt, taken=tuple(taken))

    def edit_server_options(self, options: ServerOptions) -> Answer[ServerOptions]:
        """The options of tritonserver that the daemon does not set itself."""
        return self._edit("pytriton_edit_server_options", "options", options, ServerOptions)

    def choose_drain(self, default: Drain) -> Answer[Drain]:
        """How the daemon stops, before the configuration overrides it."""
        return self._choose("pytriton_choose_drain", Drain, default=default) or Answer(default, BUILT_IN)

    def on_host_start(self, host: HostStatus) -> None:
        """All checks passed, and nothing was started yet."""
        self._notify("pytriton_on_host_start", host=host)

    def on_host_ready(self, host: HostStatus) -> None:
        """The daemon is ready: `/v2/health/ready` answers 200."""
        self._notify("pytriton_on_host_ready", host=host)

    # Models and their workers

    def edit_model_config(self, model: ModelDeclaration, config: ModelConfig) -> Answer[ModelConfig]:
        """Triton's configuration of a model."""
        return self._edit("pytriton_edit_model_config", "config", config, ModelConfig, model=model)

    def choose_shm_policy(self, model: ModelDeclaration, default: ShmPolicy) -> Answer[ShmPolicy]:
        """The model's shared-memory policy."""
        answer = self._choose("pytriton_choose_shm_policy", ShmPolicy, model=model, default=default)
        return answer or Answer(default, BUILT_IN)

    def choose_shm_full_action(self, model: ModelDeclaration, shortage: Shortage) -> Answer[FullAction] | None:
        """The answer to a shortage; None: as in the model's policy."""
        kinds = (Grow, Wait, Reject)
        return self._choose("pytriton_choose_shm_full_action", kinds, model=model, shortage=shortage)

    def edit_worker_env(
        self, env: Mapping[str, str], plugin: str, model: ModelDeclaration | None, worker: WorkerInfo
    ) -> dict[str, str]:
        """The variables of a worker that will be started."""
        context = {"plugin": plugin, "model": model, "worker": worker}
        answer = self._edit("pytriton_edit_worker_env", "env", env, Mapping, **context)
        return {str(name): str(value) for name, value in answer.value.items() if value is not None}

    def on_worker_start(self, worker: WorkerInfo) -> None:
        """A worker was started."""
        self._notify("pytriton_on_worker_start", worker=worker)

    def on_worker_ready(self, worker: WorkerInfo) -> None:
        """A worker is ready to serve."""
        self._notify("pytriton_on_worker_ready", worker=worker)

    def on_worker_exit(self, worker: WorkerInfo, exit: WorkerExit) -> None:
        """A worker has ended."""
        self._notify("pytriton_on_worker_exit", worker=worker, exit=exit)

    def choose_restart(
        self, worker: WorkerInfo, exit: WorkerExit, history: Sequence[WorkerExit]
    ) -> Answer[RestartAction]:
        """The answer to the unexpected end of a worker."""
        kinds = (Restart, GiveUp, StopHost)
        context = {"worker": worker, "exit": exit, "history": tuple(history)}
        return self._choose("pytriton_choose_restart", kinds, **context) or Answer(Restart(0.5), BUILT_IN)

    # Health

    def check_liveness(self, host: HostStatus) -> list[tuple[str, Verdict]]:
        """Each plugin's verdict; an exception is logged and gives no verdict."""
        return calls.check(self._caller("pytriton_check_liveness"), self._with_settings(host=host), self._count)

    def check_readiness(self, host: HostStatus) -> list[tuple[str, Verdict]]:
        """Each plugin's verdict; all must be ok. An exception is a failed verdict with its message."""
        return calls.check(self._caller("pytriton_check_readiness"), self._with_settings(host=host))

    def check_model_readiness(self, model: ModelDeclaration, status: ModelStatus) -> list[tuple[str, Verdict]]:
        """Each plugin's verdict on one model, as in `check_readiness`."""
        caller = self._caller("pytriton_check_model_readiness")
        return calls.check(caller, self._with_settings(model=model, status=status))

    def choose_readiness(self, host: HostStatus, verdicts: Sequence[NamedVerdict]) -> Answer[Verdict]:
        """The final verdict, given those of the daemon, its models and the plugins."""
        answer = self._choose("pytriton_choose_readiness", Verdict, host=host, verdicts=tuple(verdicts))
        return answer or Answer(Verdict(False, "no plugin chose a verdict"), BUILT_IN)

    # Inside a worker

    def on_worker_setup(self, model: ModelDeclaration) -> None:
        """This worker's model was set up."""
        self._notify("pytriton_on_worker_setup", model=model)

    def on_request(self, request: RequestInfo) -> None:
        """A request is about to be run."""
        self._notify("pytriton_on_request", request=request)

    def on_response(self, request: RequestInfo, outcome: ResponseInfo) -> None:
        """A request has an outcome."""
        self._notify("pytriton_on_response", request=request, outcome=outcome)

    def bound_on_request(self) -> Callable[[RequestInfo], None] | None:
        """`on_request` for the plugins registered now; None when no plugin implements it."""
        return self._bound("pytriton_on_request", "request")

    def bound_on_response(self) -> Callable[[RequestInfo, ResponseInfo], None] | None:
        """`on_response` for the plugins registered now; None when no plugin implements it."""
        return self._bound("pytriton_on_response", "request", "outcome")

    # The end of the daemon

    def on_host_drain(self, host: HostStatus) -> None:
        """The daemon is stopping."""
        self._notify("pytriton_on_host_drain", host=host)

    def on_host_stop(self, host: HostStatus) -> None:
        """Tritonserver and all workers have ended."""
        self._notify("pytriton_on_host_stop", host=host)
