"""From a hook plugin's entry point to its module or object; imports it, so it runs in the host process only."""

from __future__ import annotations

from pytriton_plugins.discovery.importing import import_reference
from pytriton_plugins.discovery.references import HookReference
from pytriton_plugins.errors import DiscoveryError, HookError


def load_hook_plugin(reference: HookReference) -> object:
    """The module or object that ``reference`` names; HookError names the plugin, its distribution and the remedy."""
    try:
        module, attribute = import_reference(reference.value)
    except DiscoveryError as error:
        remedy = f"fix it or run: pip uninstall {reference.distribution}"
        raise HookError(f"hook plugin {reference.label}: {error}; {remedy}") from error
    return module if attribute is None else attribute
