"""The tables of the configuration file: models, plugins, environments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from pytriton_plugins.values import OnFull


@attrs.frozen
class ModelSettings:
    """The table ``[models.NAME]``; None and empty for keys that it does not have.

    ``settings`` are keywords of a class's ``__init__``; sizes are bytes.
    """

    enabled: bool = True
    required: bool | None = None
    workers: int | None = None
    max_batch_size: int | None = None
    timeout: float | None = None
    triton_config: Mapping[str, Any] = attrs.Factory(dict)
    settings: Mapping[str, Any] = attrs.Factory(dict)
    shm_initial: int | None = None
    shm_max: int | None = None
    shm_growth: float | None = None
    shm_on_full: OnFull | None = None
    shm_wait: float | None = None
    shm_trim_after: float | None = None
    shm_lend: bool | None = None
    sequence_max_idle: float | None = None
    sequence_max_live: int | None = None


@attrs.frozen
class Environment:
    """Another interpreter, which serves the plugins that are installed in it."""

    python: Path


@attrs.frozen
class Tables:
    """All tables of one file; models and plugins by name."""

    models: Mapping[str, ModelSettings] = attrs.Factory(dict)
    plugins: Mapping[str, Mapping[str, Any]] = attrs.Factory(dict)
    environments: tuple[Environment, ...] = ()
    path: Path | None = attrs.field(default=None, eq=False)
    """The file that holds them."""
