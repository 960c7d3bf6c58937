"""Settings of Triton's queue and of a model's first requests."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class DeviceKind(enum.Enum):
    """Where instances run. A callable chooses its own device here, and nothing reads it."""

    KIND_AUTO = "KIND_AUTO"
    KIND_CPU = "KIND_CPU"
    KIND_GPU = "KIND_GPU"


class TimeoutAction(enum.Enum):
    """What happens to a request that has waited too long: it fails, or it waits behind all others."""

    REJECT = "REJECT"
    DELAY = "DELAY"


@dataclass
class QueuePolicy:
    """A queue's limits; times in microseconds, 0 for unlimited."""

    timeout_action: TimeoutAction = TimeoutAction.REJECT
    default_timeout_microseconds: int = 0
    allow_timeout_override: bool = False
    max_queue_size: int = 0


@dataclass
class DynamicBatcher:
    """How Triton joins requests to batches; the delay is in microseconds."""

    max_queue_delay_microseconds: int = 0
    preferred_batch_size: list[int] | None = None
    preserve_ordering: bool = False
    priority_levels: int = 0
    default_priority_level: int = 0
    default_queue_policy: QueuePolicy | None = None
    priority_queue_policy: dict[int, QueuePolicy] | None = None


@dataclass
class WarmupInput:
    """One input of a sample: its shape without the batch axis, and zeros, random numbers or the bytes of a file."""

    dtype: Any
    shape: Sequence[int]
    zero_data: bool | None = False
    random_data: bool | None = False
    input_data_file: str | None = None


@dataclass
class ModelWarmup:
    """Requests that a model answers before it serves: ``count`` times ``batch_size`` requests."""

    name: str
    batch_size: int
    inputs: dict[str, WarmupInput]
    count: int
