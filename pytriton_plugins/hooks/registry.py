"""The registered hook plugins, and calls of one hook of them by its rule."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import pluggy

from pytriton_plugins.discovery.importing import import_reference
from pytriton_plugins.discovery.references import HookReference
from pytriton_plugins.errors import DiscoveryError, HookError
from pytriton_plugins.hooks import builtin, specs
from pytriton_plugins.hooks import calling as calls
from pytriton_plugins.hooks.calling import Answer, Failure
from pytriton_plugins.hooks.markers import PROJECT
from pytriton_plugins.hooks.validation import check_plugin
from pytriton_plugins.text import one_line
from pytriton_plugins.text.exceptions import info_of

BUILT_IN = "built-in"
"""The label of the built-in answers."""

WORKER_HOOKS = ("pytriton_on_worker_setup", "pytriton_on_request", "pytriton_on_response")
"""Called inside workers, which import only the plugins that implement one of them."""

Settings = Mapping[str, Mapping[str, Any]]
R = TypeVar("R", bound="HookRegistry")

log = logging.getLogger("pytriton.hooks")


class HookRegistry:
    """The hook plugins, called by the five rules.

    Until `now_serving` a plugin that fails stops the start with HookError. After it the failure is logged and counted
    in ``failures`` by plugin, and the next answer or the default is used.
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
        self._pluggy.register(builtin, BUILT_IN)

    @classmethod
    def of_references(
        cls: type[R],
        references: Sequence[HookReference],
        settings: Settings | None = None,
        on_broken: Callable[[HookReference, HookError], None] | None = None,
    ) -> R:
        """A registry of the plugins that ``references`` name.

        Raises HookError for the first broken one, unless ``on_broken`` receives it: then the others are registered.
        """
        registry = cls(settings)
        # pluggy calls the plugin registered last first; registered backwards they are called in their sorted order.
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
        """A registry of all installed hook plugins, called in the order of their names."""
        from pytriton_plugins.discovery.entry_points import find_hooks

        return cls.of_references(find_hooks())

    def register(self, plugin: object, label: str, name: str = "") -> None:
        """Add one plugin, a module or an object; it is called before those registered earlier.

        ``label`` stands for the plugin in every message and answer, ``name`` (default: the label) for its table of
        settings. Raises HookError for a plugin that cannot be registered.
        """
        check_plugin(plugin, label, known=frozenset(vars(self._pluggy.hook)))
        for other_label, other in self._pluggy.list_name_plugin():
            if other is plugin:
                raise HookError(
                    f"hook plugins {other_label} and {label} are the same object; remove one of the entry points"
                )
        # Of several trylast implementations pluggy calls the one registered last after all others.
        self._pluggy.unregister(name=BUILT_IN)
        try:
            self._pluggy.register(plugin, label)
        except (ValueError, pluggy.PluginValidationError) as error:
            raise HookError(f"hook plugin {label}: {one_line(error)}; see 'pytriton-host hooks'") from error
        finally:
            self._pluggy.register(builtin, BUILT_IN)
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
        """From now on a failing plugin does not stop the daemon."""
        self._serving = True

    def _choose(self, hook: str, expected: calls.Expected, **arguments: object) -> Answer[Any] | None:
        return calls.choose(self._caller(hook), self._with_settings(**arguments), expected, self._failed)

    def _edit(
        self, hook: str, name: str, value: calls.T, expected: calls.Expected, **arguments: object
    ) -> Answer[calls.T]:
        caller = self._caller(hook)
        return calls.edit(caller, name, value, self._with_settings(**arguments), expected, self._failed)

    def _notify(self, hook: str, **arguments: object) -> None:
        calls.notify(self._caller(hook), self._with_settings(**arguments), self._count)

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


def load_hook_plugin(reference: HookReference) -> object:
    """The module or object that ``reference`` names; raises HookError with its distribution and a remedy."""
    try:
        module, attribute = import_reference(reference.value)
    except DiscoveryError as error:
        remedy = f"fix it or run: pip uninstall {reference.distribution}"
        raise HookError(f"hook plugin {reference.label}: {error}; {remedy}") from error
    return module if attribute is None else attribute
