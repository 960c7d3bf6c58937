"""The built-in answers: a hook plugin like any other, which is called last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytriton_plugins.hooks.backoff import Backoff
from pytriton_plugins.hooks.markers import hookimpl
from pytriton_plugins.values import (
    Drain,
    FullAction,
    GiveUp,
    ModelReference,
    NamedVerdict,
    Ports,
    Reject,
    Restart,
    RestartAction,
    ShmPolicy,
    Shortage,
    Verdict,
    Wait,
    WorkerExit,
)

if TYPE_CHECKING:
    from pytriton_plugins.model.declaration import ModelDeclaration

RESTARTS = Backoff(first=0.5, longest=30.0, window=60.0, max_ends=4)
"""Seconds between the ends of a worker and the start of the next; the fifth end within a minute is the last."""


@hookimpl(trylast=True)
def pytriton_add_models() -> list[ModelReference]:
    """Every installed entry point."""
    from pytriton_plugins.discovery.entry_points import find_models

    return find_models()


@hookimpl(trylast=True)
def pytriton_choose_server(candidates: tuple[Path, ...]) -> Path | None:
    """The first one found."""
    return candidates[0] if candidates else None


@hookimpl(trylast=True)
def pytriton_choose_ports(ports: Ports, attempt: int) -> Ports | None:
    """The configured ports; no others when one of them is in use."""
    return ports if attempt == 0 else None


@hookimpl(trylast=True)
def pytriton_choose_drain(default: Drain) -> Drain:
    """As configured."""
    return default


@hookimpl(trylast=True)
def pytriton_choose_shm_policy(model: ModelDeclaration, default: ShmPolicy) -> ShmPolicy:
    """The configured policy, the same for every model."""
    return default


@hookimpl(trylast=True)
def pytriton_choose_shm_full_action(shortage: Shortage) -> FullAction:
    """As in the model's policy."""
    policy = shortage.policy
    return Wait(policy.wait) if policy.on_full == "wait" and policy.wait > 0 else Reject()


@hookimpl(trylast=True)
def pytriton_choose_restart(exit: WorkerExit, history: Sequence[WorkerExit]) -> RestartAction:
    """A back-off, and none after too many ends; the first restart comes at least `RESTARTS.first` after the start."""
    ends = 1 + RESTARTS.recent((earlier.at for earlier in history), exit.at)
    pause = RESTARTS.pause(ends)
    if pause is None:
        return GiveUp(f"its worker ended {ends} times within {RESTARTS.window:g} s, last with {exit.description}")
    return Restart(max(0.0, RESTARTS.first - exit.uptime) if ends == 1 else pause)


@hookimpl(trylast=True)
def pytriton_choose_readiness(verdicts: tuple[NamedVerdict, ...]) -> Verdict:
    """Ready if all are ok."""
    reasons = [f"{each.source}: {each.verdict.reason or 'no reason given'}" for each in verdicts if not each.verdict.ok]
    return Verdict(not reasons, "; ".join(reasons))
