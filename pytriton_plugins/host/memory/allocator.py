"""Answers requests for more shared memory: with a segment, a refusal, or either of them after a wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Set
from typing import TYPE_CHECKING, NamedTuple

from pytriton_plugins.errors import ShmError
from pytriton_plugins.hooks.builtin import pytriton_choose_shm_full_action
from pytriton_plugins.host.memory.ledger import Grant, InsufficientMemory, Ledger
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.values import FullAction, Grow, Reject, Shortage, Wait

if TYPE_CHECKING:
    from pytriton_plugins.hooks.manager import HookManager

_LOG = logging.getLogger("pytriton.host")
POLL_INTERVAL = 0.02
"""Seconds between two attempts of a batch that waits for memory."""

Answer = Callable[[Grant | str], None]
"""Takes the segment, or the reason why there is none."""


class SegmentRequest(NamedTuple):
    """A segment of ``needed`` bytes for a worker, in the place of the segment numbered ``replaced``.

    ``beside``: bytes of memory that are needed at the same time, for Triton's own copy of an answer. ``calls``: it is a
    call segment; then ``replaced`` may be the channel's response segment, which stays.
    """

    worker: int
    replaced: int
    needed: int
    beside: int = 0
    calls: bool = False


class SegmentAllocator:
    """Answers the requests of one model from its ledger, and asks the hooks what to do where there is not enough."""

    def __init__(
        self,
        model: ModelDeclaration,
        ledger: Ledger,
        hooks: HookManager,
        live: Container[int],
        fixed: Set[str],
    ) -> None:
        """``live`` contains the numbers of live workers.

        ``fixed``: the fields of the policy that the configuration sets; hooks may neither raise that limit nor decide
        what is decided there.
        """
        self._model = model
        self._ledger = ledger
        self._hooks = hooks
        self._live = live
        self._fixed = fixed
        self._waiting: set[asyncio.Task[None]] = set()

    def cancel(self) -> None:
        """End every wait."""
        for waiting in self._waiting:
            waiting.cancel()

    def allocate(self, request: SegmentRequest, answer: Answer) -> None:
        """Give ``answer`` a segment, or why there is none, at once or after a wait."""
        grant = self._grant(request)
        if not isinstance(grant, InsufficientMemory):
            answer(grant)
            return
        action = self._action(grant.shortage)
        if isinstance(action, Grow) and "max" not in self._fixed:
            self._ledger.raise_limit(action.max)
            answer(self._result(self._grant(request)))
        elif isinstance(action, Wait):
            waiting = asyncio.get_running_loop().create_task(self._wait(request, action.seconds, answer))
            self._waiting.add(waiting)
            waiting.add_done_callback(self._waiting.discard)
        else:
            answer(self._result(grant, action.reason if isinstance(action, Reject) else ""))

    def _action(self, shortage: Shortage) -> FullAction:
        if "on_full" in self._fixed:
            return pytriton_choose_shm_full_action(shortage)
        chosen = self._hooks.choose_shm_full_action(self._model, shortage)
        return chosen.value if chosen else Reject()

    def _grant(self, request: SegmentRequest) -> Grant | str | InsufficientMemory:
        if request.worker not in self._live:
            return "the worker is gone"
        promised = self._ledger.budget.untouched + request.beside
        try:
            return self._ledger.replace(request.replaced, request.needed, request.worker, promised, calls=request.calls)
        except InsufficientMemory as error:
            return error
        except (ShmError, OSError) as error:
            self._ledger.refusals += 1
            return str(error)

    def _result(self, grant: Grant | str | InsufficientMemory, reason: str = "") -> Grant | str:
        if isinstance(grant, Grant):
            return grant
        self._ledger.refusals += isinstance(grant, InsufficientMemory)  # other refusals were counted already
        message = f"{grant}; {reason}" if reason else str(grant)
        _LOG.warning("model %s: %s", self._model.name, message)
        return message

    async def _wait(self, request: SegmentRequest, seconds: float, answer: Answer) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        grant = self._grant(request)
        while isinstance(grant, InsufficientMemory) and loop.time() < deadline:
            await asyncio.sleep(POLL_INTERVAL)
            grant = self._grant(request)
        answer(self._result(grant, f"waited {seconds:g} s for room"))
