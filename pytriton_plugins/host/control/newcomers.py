"""Which plugins may have a model that is not known yet; runs in the host, beside its event loop."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from pytriton_plugins.discovery.entry_points import find_models
from pytriton_plugins.discovery.environments import find_models_of
from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.host.preflight import plugin_records
from pytriton_plugins.host.supervision.plugins import PluginRecord

if TYPE_CHECKING:
    from pytriton_plugins.host.supervision.registry import Roster


async def as_installed(reference: ModelReference) -> ModelReference:
    """``reference`` with the version that its distribution has by now: it may have been upgraded since the start."""

    def look() -> ModelReference:
        # Reading metadata takes its time, and another interpreter has to be asked for its own.
        found = find_models_of(Path(reference.python), []) if reference.python else find_models()
        return next((each for each in found if each.place == reference.place), reference)

    return await asyncio.to_thread(look) if reference.distribution else reference


async def candidates(roster: Roster, name: str) -> list[PluginRecord]:
    """Those that ``name`` names, else those without models, then the newly installed ones, then all others.

    Raises ConfigError or HookError when discovery fails as it would at a start.
    """
    # Reading metadata takes its time, and hook plugins are asked.
    found = await asyncio.to_thread(plugin_records, roster.config, roster.hooks)
    places = {record.reference.place for record in roster.records}
    new = [record for record in found if record.reference.place not in places]
    for record in new:
        record.refused = bool(record.error)
        record.required = not record.reference.names & set(roster.config.optional)
    every = [
        *(record for record in roster.records if not record.models),
        *new,
        *(record for record in roster.records if record.models),
    ]
    return [record for record in every if name in record.reference.names] or every
