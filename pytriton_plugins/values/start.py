"""Values that are chosen at the start: ports, drain times, options of tritonserver, the configuration of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from pytriton_plugins.config.mappings import copied, merge


@attrs.frozen
class Ports:
    """The three ports that tritonserver listens on; 0 means any free port."""

    http: int
    grpc: int
    metrics: int

    def __attrs_post_init__(self) -> None:
        for name, port in attrs.asdict(self).items():
            if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
                raise ValueError(f"Ports: {name} is {port!r}; write a whole number from 0 (any free port) to 65535")


@attrs.frozen
class Drain:
    """Seconds of a stop: ``delay`` before it drains, ``timeout`` for requests in flight, ``grace`` until SIGKILL."""

    delay: float
    timeout: float
    grace: float | None = None

    def __attrs_post_init__(self) -> None:
        for name, value in attrs.asdict(self).items():
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")
            if not number and (name, value) != ("grace", None):
                raise ValueError(f"Drain: {name} is {value!r}; write a number of seconds from 0 up")


@attrs.frozen
class ServerOptions:
    """The options of tritonserver that the daemon does not set itself: names without dashes, and values."""

    items: tuple[tuple[str, str], ...] = ()

    def __attrs_post_init__(self) -> None:
        for item in self.items:
            if not isinstance(item, tuple) or [type(part) for part in item] != [str, str] or not item[0].strip("-"):
                raise ValueError(f'ServerOptions: {item!r} is not an option; write for example ("log-verbose", "1")')

    def having(self, name: str, value: str) -> ServerOptions:
        """A copy in which ``name`` has this one value."""
        return ServerOptions((*self.without(name).items, (name, value)))

    def without(self, name: str) -> ServerOptions:
        """A copy without ``name``."""
        return ServerOptions(tuple(item for item in self.items if item[0] != name))


@attrs.frozen
class ModelConfig:
    """Triton's configuration of one model, as the JSON value that its load call takes (``max_batch_size``, …)."""

    values: Mapping[str, Any] = attrs.field(converter=copied)

    def merged(self, changes: Mapping[str, Any]) -> ModelConfig:
        """A copy with ``changes`` in it: tables are merged, every other value is replaced."""
        return ModelConfig(merge(dict(self.values), changes))
