"""Which plugins may have a model that is not known yet; runs in the host, beside its event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytriton_plugins.host.plugins import PluginRecord
from pytriton_plugins.host.preparing import plugin_records

if TYPE_CHECKING:
    from pytriton_plugins.host.roster import Roster


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
