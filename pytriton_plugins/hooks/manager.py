"""The hook plugins of this host: registers them and asks each hook by one typed method; runs in the host process.

Workers have one as well if a plugin implements hooks that are called there (worker/observe.py).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from pytriton_plugins.errors import HookError
from pytriton_plugins.hooks import calls, defaults, specs
from pytriton_plugins.hooks.calls import Answer, Failure, Gathered
from pytriton_plugins.hooks.markers import PROJECT
from pytriton_plugins.hooks.validation import check_plugin
from pytriton_plugins.text import one_line
from pytriton_plugins.values import (
    FullAction,
    GiveUp,
    Grow,
    HostStatus,
    ModelConfig,
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

    from pytriton_plugins.discovery.references import HookReference, ModelReference
    from pytriton_plugins.models import ModelDeclaration

BUILT_IN = "built-in"
"""The plugin that an answer is attributed to when no installed plugin gave one."""

WORKER_HOOKS = ("pytriton_on_worker_setup", "pytriton_on_request", "pytriton_on_response")
"""Called inside workers, which get the plugins that implement them and no others."""

Settings = Mapping[str, Mapping[str, Any]]

log = logging.getLogger("pytriton.hooks")


class HookManager:
    """Asks the registered hook plugins; nothing else touches pluggy's hook callers.

    Until `now_serving` a plugin that fails stops the start with HookError; after it the failure is logged and
    counted in ``failures`` by plugin, and the next answer or the default is used.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        """``settings``: each plugin's own table of the configuration file, by the name of its entry point."""
        self.failures: Counter[str] = Counter()
        self.references: dict[str, HookReference] = {}
        """The plugins that came from entry points, by label."""
        self._settings = settings or {}
        self._settings_by_label: dict[str, Mapping[str, Any]] = {}
        self._serving = False
        self._pluggy = pluggy.PluginManager(PROJECT)
        self._pluggy.add_hookspecs(specs)
        self._pluggy.register(defaults, BUILT_IN)

    @classmethod
    def of_references(
        cls,
        references: Sequence[HookReference],
        settings: Settings | None = None,
        on_broken: Callable[[HookReference, HookError], None] | None = None,
    ) -> HookManager:
        """A manager with the plugins that ``references`` lead to.

        Raises HookError for the first broken one, unless ``on_broken`` takes it: then the others are registered.
        """
        from pytriton_plugins.hooks.loading import load_hook_plugin

        manager = cls(settings)
        # pluggy asks the plugin registered last first; registered backwards they are asked in their sorted order.
        for reference in reversed(references):
            try:
                manager.register(load_hook_plugin(reference), reference.label, reference.plugin)
            except HookError as error:
                if on_broken is None:
                    raise
                on_broken(reference, error)
            else:
                manager.references[reference.label] = reference
        return manager

    @classmethod
    def installed(cls) -> HookManager:
        """A manager with every hook plugin that is installed, asked in the order of their names."""
        from pytriton_plugins.discovery.entry_points import find_hooks

        return cls.of_references(find_hooks())

    def register(self, plugin: object, label: str, name: str = "") -> None:
        """Add one plugin, a module or an object; it is asked before those registered earlier.

        ``label`` stands for the plugin in every message and answer, ``name`` (default: the label) is that of its
        settings. HookError tells what is wrong with it.
        """
        check_plugin(plugin, label, known=frozenset(vars(self._pluggy.hook)))
        for other_label, other in self._pluggy.list_name_plugin():
            if other is plugin:
                raise HookError(
                    f"hook plugins {other_label} and {label} are the same object; remove one of the entry points"
                )
        # Of several trylast implementations pluggy asks the one registered last after all others.
        self._pluggy.unregister(name=BUILT_IN)
        try:
            self._pluggy.register(plugin, label)
        except (ValueError, pluggy.PluginValidationError) as error:
            raise HookError(f"hook plugin {label}: {one_line(error)}; see 'pytriton-host hooks'") from error
        finally:
            self._pluggy.register(defaults, BUILT_IN)
        self._settings_by_label[label] = self._settings.get(name or label, {})

    def plugins(self) -> list[str]:
        """The labels of the plugins in calling order, the built-in one last."""
        labels = [name for name, _ in self._pluggy.list_name_plugin() if name != BUILT_IN]
        return [*reversed(labels), BUILT_IN]

    def implementers(self, hook: str) -> list[str]:
        """The labels of the plugins that implement ``hook``, in calling order."""
        return [impl.plugin_name for impl in calls.implementations(self._caller(hook))]

    def worker_references(self) -> list[HookReference]:
        """The plugins that workers need, in calling order."""
        labels = {label for hook in WORKER_HOOKS for label in self.implementers(hook)}
        return [self.references[label] for label in self.plugins() if label in labels and label in self.references]

    def now_serving(self) -> None:
        """From here on a failing plugin no longer stops the host."""
        self._serving = True

    # The command line

    def add_commands(self) -> Gathered[click.Command]:
        """Further commands of `pytriton-host`."""
        import click

        caller = self._caller("pytriton_add_commands")
        return calls.add(caller, self._with_settings(), click.Command, lambda command: str(command.name))

    # The start of the host

    def add_models(self, host: HostStatus) -> Gathered[ModelReference]:
        """The model plugins; HookError when a reference comes from two plugins."""
        from pytriton_plugins.discovery.references import ModelReference

        caller = self._caller("pytriton_add_models")
        return calls.add(caller, self._with_settings(host=host), ModelReference, lambda reference: reference.place)

    def choose_server(self, candidates: Sequence[Path]) -> Answer[Path] | None:
        """The tritonserver to take; None when there is no candidate and no plugin names one."""
        return self._choose("pytriton_choose_server", Path, candidates=tuple(candidates))

    def choose_ports(self, ports: Ports, attempt: int = 0, taken: Sequence[int] = ()) -> Answer[Ports] | None:
        """The ports to listen on; None when a port is taken and no plugin has an answer to that."""
        return self._choose("pytriton_choose_ports", Ports, ports=ports, attempt=attempt, taken=tuple(taken))

    def edit_server_options(self, options: ServerOptions) -> Answer[ServerOptions]:
        """The options that tritonserver gets beside the daemon's own."""
        return self._edit("pytriton_edit_server_options", "options", options, ServerOptions)

    def on_host_start(self, host: HostStatus) -> None:
        """Tell that everything was checked and nothing was started."""
        self._tell("pytriton_on_host_start", host=host)

    def on_host_ready(self, host: HostStatus) -> None:
        """Tell that ready answers 200 now."""
        self._tell("pytriton_on_host_ready", host=host)

    # Models and their workers

    def edit_model_config(self, model: ModelDeclaration, config: ModelConfig) -> Answer[ModelConfig]:
        """Triton's configuration of a model."""
        return self._edit("pytriton_edit_model_config", "config", config, ModelConfig, model=model)

    def choose_shm_policy(self, model: ModelDeclaration, default: ShmPolicy) -> Answer[ShmPolicy]:
        """The model's shared-memory policy."""
        answer = self._choose("pytriton_choose_shm_policy", ShmPolicy, model=model, default=default)
        return answer or Answer(default, BUILT_IN)

    def choose_shm_full_action(self, model: ModelDeclaration, shortage: Shortage) -> Answer[FullAction] | None:
        """What to do about a shortage; None: what the policy says."""
        kinds = (Grow, Wait, Reject)
        return self._choose("pytriton_choose_shm_full_action", kinds, model=model, shortage=shortage)

    def edit_worker_env(
        self, env: Mapping[str, str], plugin: str, model: ModelDeclaration | None, worker: WorkerInfo
    ) -> dict[str, str]:
        """The variables of a worker that is to be started."""
        context = {"plugin": plugin, "model": model, "worker": worker}
        answer = self._edit("pytriton_edit_worker_env", "env", env, Mapping, **context)
        return {str(name): str(value) for name, value in answer.value.items()}

    def on_worker_start(self, worker: WorkerInfo) -> None:
        """Tell that a worker was started."""
        self._tell("pytriton_on_worker_start", worker=worker)

    def on_worker_ready(self, worker: WorkerInfo) -> None:
        """Tell that a worker serves."""
        self._tell("pytriton_on_worker_ready", worker=worker)

    def on_worker_exit(self, worker: WorkerInfo, exit: WorkerExit) -> None:
        """Tell that a worker has ended."""
        self._tell("pytriton_on_worker_exit", worker=worker, exit=exit)

    def choose_restart(
        self, worker: WorkerInfo, exit: WorkerExit, history: Sequence[WorkerExit]
    ) -> Answer[RestartAction]:
        """What comes in the place of a worker that ended unexpectedly."""
        kinds = (Restart, GiveUp, StopHost)
        context = {"worker": worker, "exit": exit, "history": tuple(history)}
        return self._choose("pytriton_choose_restart", kinds, **context) or Answer(Restart(0.5), BUILT_IN)

    # Health

    def check_liveness(self, host: HostStatus) -> list[tuple[str, Verdict]]:
        """Each plugin's verdict; an exception is logged and is none."""
        return calls.check(self._caller("pytriton_check_liveness"), self._with_settings(host=host), self._count)

    def check_readiness(self, host: HostStatus) -> list[tuple[str, Verdict]]:
        """Each plugin's verdict; all must be ok. An exception is a failed verdict with its message."""
        return calls.check(self._caller("pytriton_check_readiness"), self._with_settings(host=host))

    def check_model_readiness(self, model: ModelDeclaration, status: ModelStatus) -> list[tuple[str, Verdict]]:
        """Each plugin's verdict on one model, as in `check_readiness`."""
        caller = self._caller("pytriton_check_model_readiness")
        return calls.check(caller, self._with_settings(model=model, status=status))

    def choose_readiness(self, host: HostStatus, verdicts: Sequence[NamedVerdict]) -> Answer[Verdict]:
        """The verdict that counts, given those of everyone."""
        answer = self._choose("pytriton_choose_readiness", Verdict, host=host, verdicts=tuple(verdicts))
        return answer or Answer(Verdict(False, "no plugin chose a verdict"), BUILT_IN)

    # Inside a worker

    def on_worker_setup(self, model: ModelDeclaration) -> None:
        """Tell that this worker's model was set up."""
        self._tell("pytriton_on_worker_setup", model=model)

    def on_request(self, request: RequestInfo) -> None:
        """Tell that a request is about to be run."""
        self._tell("pytriton_on_request", request=request)

    def on_response(self, request: RequestInfo, outcome: ResponseInfo) -> None:
        """Tell what became of a request."""
        self._tell("pytriton_on_response", request=request, outcome=outcome)

    def bound_on_request(self) -> Callable[[RequestInfo], None] | None:
        """`on_request` for the plugins registered now; None when nobody implements it."""
        return self._bound("pytriton_on_request", "request")

    def bound_on_response(self) -> Callable[[RequestInfo, ResponseInfo], None] | None:
        """`on_response` for the plugins registered now; None when nobody implements it."""
        return self._bound("pytriton_on_response", "request", "outcome")

    # The end of the host

    def on_host_drain(self, host: HostStatus) -> None:
        """Tell that the daemon is stopping."""
        self._tell("pytriton_on_host_drain", host=host)

    def on_host_stop(self, host: HostStatus) -> None:
        """Tell that everything has ended."""
        self._tell("pytriton_on_host_stop", host=host)

    def _choose(self, hook: str, expected: calls.Expected, **arguments: object) -> Answer[Any] | None:
        return calls.choose(self._caller(hook), self._with_settings(**arguments), expected, self._failed)

    def _edit(
        self, hook: str, name: str, value: calls.T, expected: calls.Expected, **arguments: object
    ) -> Answer[calls.T]:
        caller = self._caller(hook)
        return calls.edit(caller, name, value, self._with_settings(**arguments), expected, self._failed)

    def _tell(self, hook: str, **arguments: object) -> None:
        calls.tell(self._caller(hook), self._with_settings(**arguments), self._count)

    def _bound(self, hook: str, *names: str) -> Callable[..., None] | None:
        if not self.implementers(hook):
            return None
        return calls.bound(self._caller(hook), names, self._settings_by_label, self._count)

    def _with_settings(self, **arguments: object) -> dict[str, Any]:
        return {**arguments, "settings": self._settings_by_label}

    def _caller(self, hook: str) -> pluggy.HookCaller:
        caller: pluggy.HookCaller = getattr(self._pluggy.hook, hook)
        return caller

    def _failed(self, failure: Failure) -> None:
        if not self._serving:
            raise HookError(f"{failure}; fix or uninstall it") from failure.error
        self._count(failure)

    def _count(self, failure: Failure) -> None:
        self.failures[failure.plugin] += 1
        log.error("%s; the next answer or the default is used", failure, exc_info=failure.error)
