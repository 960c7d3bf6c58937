"""What a batch gets that needs more shared memory: a segment, a refusal, or either after a wait; runs in the host."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Set
from typing import NamedTuple

from pytriton_plugins.errors import ShmError
from pytriton_plugins.hooks.builtin import pytriton_choose_shm_full_action
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.host.memory.ledger import Grant, Ledger, Shortfall
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.values import FullAction, Grow, Reject, Shortage, Wait

_LOG = logging.getLogger("pytriton.host")
LOOK_AGAIN = 0.02
"""Seconds between two looks whether memory that a batch waits for is there."""

Answer = Callable[[Grant | str], None]


class Wish(NamedTuple):
    """A segment of ``needed`` bytes for a worker, in the place of the segment numbered ``replaced``.

    ``beside``: bytes of memory that will be wanted at the same time, for Triton's own copy of an answer.
    """

    worker: int
    replaced: int
    needed: int
    beside: int = 0


class Granting:
    """Grants one model's wishes from its ledger, and asks the hooks what to do where there is not enough."""

    def __init__(
        self,
        model: ModelDeclaration,
        ledger: Ledger,
        hooks: HookManager,
        untouched: Callable[[], int],
        is_live: Callable[[int], bool],
        fixed: Set[str],
    ) -> None:
        """``untouched``: bytes promised on the whole machine and not used yet; ``is_live``: whether a worker is.

        ``fixed``: which fields of the policy the configuration sets: hooks may neither raise that limit nor decide
        what is decided there.
        """
        self._model = model
        self._ledger = ledger
        self._hooks = hooks
        self._untouched = untouched
        self._is_live = is_live
        self._fixed = fixed
        self._waiting: set[asyncio.Task[None]] = set()

    def cancel(self) -> None:
        """Let nobody wait any longer."""
        for waiting in self._waiting:
            waiting.cancel()

    def on_need(self, wish: Wish, answer: Answer) -> None:
        """Give ``answer`` a segment, or why there is none, perhaps after a while."""
        grant = self._grant(wish)
        if not isinstance(grant, Shortfall):
            answer(grant)
            return
        action = self._action(grant.shortage)
        if isinstance(action, Grow) and "max" not in self._fixed:
            self._ledger.raise_limit(action.max)
            answer(self._granted(self._grant(wish)))
        elif isinstance(action, Wait):
            waiting = asyncio.get_running_loop().create_task(self._wait(wish, action.seconds, answer))
            self._waiting.add(waiting)
            waiting.add_done_callback(self._waiting.discard)
        else:
            answer(self._granted(grant, action.reason if isinstance(action, Reject) else ""))

    def _action(self, shortage: Shortage) -> FullAction:
        if "on_full" in self._fixed:
            return pytriton_choose_shm_full_action(shortage)
        chosen = self._hooks.choose_shm_full_action(self._model, shortage)
        return chosen.value if chosen else Reject()

    def _grant(self, wish: Wish) -> Grant | str | Shortfall:
        if not self._is_live(wish.worker):
            return "the worker is gone"
        try:
            return self._ledger.replace(wish.replaced, wish.needed, wish.worker, self._untouched() + wish.beside)
        except Shortfall as short:
            return short
        except (ShmError, OSError) as error:
            self._ledger.refusals += 1
            return str(error)

    def _granted(self, grant: Grant | str | Shortfall, reason: str = "") -> Grant | str:
        if isinstance(grant, Grant):
            return grant
        self._ledger.refusals += isinstance(grant, Shortfall)  # what else it may be was counted already
        said = f"{grant}; {reason}" if reason else str(grant)
        _LOG.warning("model %s: %s", self._model.name, said)
        return said

    async def _wait(self, wish: Wish, seconds: float, answer: Answer) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        grant = self._grant(wish)
        while isinstance(grant, Shortfall) and loop.time() < until:
            await asyncio.sleep(LOOK_AGAIN)
            grant = self._grant(wish)
        answer(self._granted(grant, f"waited {seconds:g} s for room"))
