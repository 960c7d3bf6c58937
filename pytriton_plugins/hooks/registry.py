"""Which hook plugins there are, and asking one hook of them all by its rule; in the host and in observed workers."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from pytriton_plugins.errors import HookError
from pytriton_plugins.hooks import builtin as defaults
from pytriton_plugins.hooks import calling as calls
from pytriton_plugins.hooks import specs
from pytriton_plugins.hooks.calling import Answer, Failure
from pytriton_plugins.hooks.markers import PROJECT
from pytriton_plugins.hooks.validation import check_plugin
from pytriton_plugins.text import one_line
from pytriton_plugins.text.exceptions import info_of

if TYPE_CHECKING:
    from pytriton_plugins.discovery.references import HookReference

BUILT_IN = "built-in"
"""The plugin that an answer is attributed to when no installed plugin gave one."""

WORKER_HOOKS = ("pytriton_on_worker_setup", "pytriton_on_request", "pytriton_on_response")
"""Called inside workers, which get the plugins that implement them and no others."""

Settings = Mapping[str, Mapping[str, Any]]
R = TypeVar("R", bound="HookRegistry")

log = logging.getLogger("pytriton.hooks")


class HookRegistry:
    """Holds the hook plugins, and asks them by the five rules.

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
        cls: type[R],
        references: Sequence[HookReference],
        settings: Settings | None = None,
        on_broken: Callable[[HookReference, HookError], None] | None = None,
    ) -> R:
        """One with the plugins that ``references`` lead to.

        Raises HookError for the first broken one, unless ``on_broken`` takes it: then the others are registered.
        """
        from pytriton_plugins.hooks.loading import load_hook_plugin

        registry = cls(settings)
        # pluggy asks the plugin registered last first; registered backwards they are asked in their sorted order.
        for reference in reversed(references):
            try:
                registry.register(load_hook_plugin(reference), reference.label, reference.plugin)
            except HookError as error:
                if on_broken is None:
                    raise
                on_broken(reference, error)
            else:
                registry.references[reference.label] = reference
        return registry

    @classmethod
    def installed(cls: type[R]) -> R:
        """One with every hook plugin that is installed, asked in the order of their names."""
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
        self._count(failure, "; the next answer or the default is used")

    def _count(self, failure: Failure, consequence: str = "") -> None:
        self.failures[failure.plugin] += 1
        log.error("%s%s", failure, consequence, exc_info=None if failure.error is None else info_of(failure.error))
