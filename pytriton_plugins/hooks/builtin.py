"""The built-in answers, a hook plugin like any other that is asked last; runs in the host process."""

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
    from pytriton_plugins.discovery.references import ModelReference
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
    """The configured ports; nothing else once one of them is taken."""
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
    """What the model's policy says."""
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
    wrong = [f"{each.source}: {each.verdict.reason or 'no reason given'}" for each in verdicts if not each.verdict.ok]
    return Verdict(not wrong, "; ".join(wrong))
