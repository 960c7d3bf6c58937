"""The values that hooks receive and return, all frozen."""

from __future__ import annotations

from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.values.memory import (
    MAX_WAIT,
    MIB,
    FullAction,
    Grow,
    OnFull,
    Reject,
    ShmPolicy,
    ShmUse,
    Shortage,
    Wait,
)
from pytriton_plugins.values.start import Drain, ModelConfig, Ports, ServerOptions
from pytriton_plugins.values.status import HostState, HostStatus, ModelStatus, NamedVerdict, Verdict
from pytriton_plugins.values.workers import (
    GiveUp,
    RequestInfo,
    ResponseInfo,
    Restart,
    RestartAction,
    StopHost,
    WorkerExit,
    WorkerInfo,
)

__all__ = [
    "MAX_WAIT",
    "MIB",
    "Drain",
    "FullAction",
    "GiveUp",
    "Grow",
    "HostState",
    "HostStatus",
    "ModelConfig",
    "ModelReference",
    "ModelStatus",
    "NamedVerdict",
    "OnFull",
    "Ports",
    "Reject",
    "RequestInfo",
    "ResponseInfo",
    "Restart",
    "RestartAction",
    "ServerOptions",
    "ShmPolicy",
    "ShmUse",
    "Shortage",
    "StopHost",
    "Verdict",
    "Wait",
    "WorkerExit",
    "WorkerInfo",
]
