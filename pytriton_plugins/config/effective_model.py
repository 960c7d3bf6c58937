"""The values that decide how one model is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.values import ShmPolicy


@attrs.frozen
class EffectiveModel:
    """All that the configuration, hook plugins and the author decide about one model; times are seconds.

    ``policy_source`` is the plugin that chose the policy, and ``fixed`` names the fields of the policy that the
    configuration sets: hook plugins may neither raise that limit nor decide what those fields decide. ``headers`` are
    the parameters of requests that are headers, with the headers' names.
    """

    declaration: ModelDeclaration
    workers: int
    required: bool
    policy: ShmPolicy
    policy_source: str
    fixed: frozenset[str]
    settings: Mapping[str, Any]
    headers: Mapping[str, str]
    clients_lend: bool
    """Clients may lend their shared memory, as far as the policy lets them."""
    import_timeout: float
    load_timeout: float

    @property
    def name(self) -> str:
        return self.declaration.name

    @property
    def channels(self) -> int:
        """One for each slot of each worker: as many batches can run at a time."""
        return self.workers * self.declaration.slots
