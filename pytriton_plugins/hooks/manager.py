"""The hook plugins of this host: registers them and asks each hook by one typed method; runs in the host process."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from pytriton_plugins.errors import HookError
from pytriton_plugins.hooks import calls, defaults, specs
from pytriton_plugins.hooks.calls import Answer, Failure
from pytriton_plugins.hooks.markers import PROJECT
from pytriton_plugins.hooks.validation import check_plugin
from pytriton_plugins.text import one_line
from pytriton_plugins.values import HostStatus, Ports, ShmPolicy, Verdict

if TYPE_CHECKING:
    from pytriton_plugins.discovery.entry_points import HookReference
    from pytriton_plugins.models import ModelDeclaration

BUILT_IN = "built-in"
"""The plugin that an answer is attributed to when no installed plugin gave one."""

log = logging.getLogger("pytriton.hooks")


class HookManager:
    """Asks the registered hook plugins; nothing else touches pluggy's hook callers.

    Until `now_serving` a plugin that fails stops the start with HookError; after it the failure is logged and
    counted in ``failures`` by plugin, and the next answer or the default is used.
    """

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        self._serving = False
        self._pluggy = pluggy.PluginManager(PROJECT)
        self._pluggy.add_hookspecs(specs)
        self._pluggy.register(defaults, BUILT_IN)

    @classmethod
    def of_references(cls, references: Sequence[HookReference]) -> HookManager:
        """A manager with the plugins that ``references`` lead to; HookError for the first broken one."""
        from pytriton_plugins.hooks.loading import load_hook_plugin

        manager = cls()
        # pluggy asks the plugin registered last first; registered backwards they are asked in their sorted order.
        for reference in reversed(references):
            manager.register(load_hook_plugin(reference), reference.label)
        return manager

    @classmethod
    def installed(cls) -> HookManager:
        """A manager with every hook plugin that is installed, asked in the order of their names."""
        from pytriton_plugins.discovery.entry_points import find_hooks

        return cls.of_references(find_hooks())

    def register(self, plugin: object, label: str) -> None:
        """Add one plugin, a module or an object; it is asked before those registered earlier.

        ``label`` stands for the plugin in every message and answer. HookError tells what is wrong with it.
        """
        check_plugin(plugin, label, known=frozenset(vars(self._pluggy.hook)))
        for name, other in self._pluggy.list_name_plugin():
            if other is plugin:
                raise HookError(f"hook plugins {name} and {label} are the same object; remove one of the entry points")
        # Of several trylast implementations pluggy asks the one registered last after all others.
        self._pluggy.unregister(name=BUILT_IN)
        try:
            self._pluggy.register(plugin, label)
        except (ValueError, pluggy.PluginValidationError) as error:
            raise HookError(f"hook plugin {label}: {one_line(error)}; see pytriton_plugins/hooks/specs.py") from error
        finally:
            self._pluggy.register(defaults, BUILT_IN)

    def plugins(self) -> list[str]:
        """The labels of the plugins in calling order, the built-in one last."""
        labels = [name for name, _ in self._pluggy.list_name_plugin() if name != BUILT_IN]
        return [*reversed(labels), BUILT_IN]

    def now_serving(self) -> None:
        """From here on a failing plugin no longer stops the host."""
        self._serving = True

    def choose_server(self, candidates: Sequence[Path]) -> Answer[Path] | None:
        """The tritonserver to take; None when there is no candidate and no plugin names one."""
        return self._choose("pytriton_choose_server", Path, candidates=tuple(candidates))

    def choose_ports(self, ports: Ports, attempt: int = 0, taken: Sequence[int] = ()) -> Answer[Ports] | None:
        """The ports to listen on; None when a port is taken and no plugin has an answer to that."""
        return self._choose("pytriton_choose_ports", Ports, ports=ports, attempt=attempt, taken=tuple(taken))

    def choose_shm_policy(self, model: ModelDeclaration, default: ShmPolicy) -> Answer[ShmPolicy]:
        """The model's shared-memory policy."""
        answer = self._choose("pytriton_choose_shm_policy", ShmPolicy, model=model, default=default)
        return answer or Answer(default, BUILT_IN)

    def check_readiness(self, host: HostStatus) -> list[tuple[str, Verdict]]:
        """Each plugin's verdict; all must be ok. An exception is a failed verdict with its message."""
        return calls.check(self._caller("pytriton_check_readiness"), {"host": host})

    def _choose(self, hook: str, expected: type[calls.T], **arguments: object) -> Answer[calls.T] | None:
        return calls.choose(self._caller(hook), arguments, expected, self._failed)

    def _caller(self, hook: str) -> pluggy.HookCaller:
        caller: pluggy.HookCaller = getattr(self._pluggy.hook, hook)
        return caller

    def _failed(self, failure: Failure) -> None:
        if not self._serving:
            raise HookError(f"{failure}; fix or uninstall it") from failure.error
        self.failures[failure.plugin] += 1
        log.error("%s; the next answer or the default is used", failure, exc_info=failure.error)
