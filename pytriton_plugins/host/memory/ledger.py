"""Who has how much shared memory: every segment is made, counted and refused here; runs in the host."""

from __future__ import annotations

import itertools
import logging
import os
import weakref

import attrs

from pytriton_plugins.config.effective_model import EffectiveModel
from pytriton_plugins.errors import ShmError
from pytriton_plugins.host.memory.system_limits import memory_headroom
from pytriton_plugins.shm.segment import create_segment_file, touched_bytes
from pytriton_plugins.values import MIB, ShmPolicy, ShmUse, Shortage

_LOG = logging.getLogger("pytriton.host")
_SMALLEST = 1 << 16
_numbers = itertools.count(1)


def in_mib(size: int) -> str:
    return f"{size / MIB:.1f} MiB"


@attrs.frozen
class Grant:
    """One live segment: ``descriptor`` is the host's own, ``owner`` the worker that it serves.

    ``replaces`` is the number of the segment in whose place it came, 0 for a first one.
    """

    number: int
    descriptor: int
    size: int
    owner: int
    replaces: int = 0


class Shortfall(ShmError):
    """There is not enough: ``shortage`` says of what."""

    def __init__(self, message: str, shortage: Shortage) -> None:
        super().__init__(message)
        self.shortage = shortage


class Budget:
    """What all models together may have: ``total`` bytes, None for as much as there is."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self._ledgers: weakref.WeakSet[Ledger] = weakref.WeakSet()

    def add(self, ledger: Ledger) -> None:
        """Have a model count."""
        self._ledgers.add(ledger)

    @property
    def left(self) -> int:
        """Bytes that no segment has."""
        if self.total is None:
            return 1 << 62
        return self.total - sum(ledger.total for ledger in self._ledgers)


class Ledger:
    """The segments of one model under its policy. Only the host makes segments, so this is the truth about them."""

    def __init__(self, model: str, policy: ShmPolicy, segments: int, budget: Budget | None = None) -> None:
        """``segments``: among how many the initial memory is shared; ``budget``: that of all models."""
        self._model = model
        self._budget = budget or Budget(None)
        self._budget.add(self)
        self.policy = policy
        self._initial = max(_SMALLEST, policy.initial // segments // 4096 * 4096)
        self.at_start = self._initial * segments
        """Bytes of the first segments of all workers, some of which may still be starting."""
        self.refusals = 0
        """Batches that did not get what they need."""
        self._grants: dict[int, Grant] = {}

    @property
    def total(self) -> int:
        """Bytes of all live segments."""
        return sum(grant.size for grant in self._grants.values())

    @property
    def untouched(self) -> int:
        """Bytes promised that no page stands behind yet."""
        return sum(max(0, grant.size - touched_bytes(grant.descriptor)) for grant in self._grants.values())

    @property
    def use(self) -> ShmUse:
        """What it has now."""
        touched = sum(touched_bytes(grant.descriptor) for grant in self._grants.values())
        return ShmUse(self.at_start, self.total, touched, self.policy.max)

    def open_first(self, owner: int) -> Grant:
        """The first segment of one direction for ``owner``; raises ShmError when there is no memory for it."""
        if self._initial > self._budget.left:
            left = self._budget_left(self._budget.left)
            raise ShmError(
                f"its first segments of {in_mib(self._initial)} each do not fit: {left}; raise --shm-total or lower "
                "--shm-initial"
            )
        return self._make(self._initial, owner)

    def replace(self, number: int, needed: int, owner: int, untouched: int) -> Grant:
        """A segment of ``needed`` bytes or more in place of ``number``; raises Shortfall that says what to raise.

        ``untouched``: bytes that were promised on the whole machine and are not used yet.
        """
        old = self._in_use(number, owner)
        old_size = old.size if old else 0
        kept, budget = self.total - old_size, self._budget.left + old_size
        left = memory_headroom() - untouched
        self._check_room(needed, kept, left, budget)
        size_before = old_size or self._initial
        # A segment that was large enough is asked for again when the callable keeps arrays that lie in the old one.
        wished = size_before if needed <= size_before else max(needed, round(size_before * self.policy.growth))
        size = min(_rounded(wished if wished <= left else needed), self.policy.max - kept, budget)
        before = self.total
        grant = self._make(max(size, needed), owner, number)
        if old:
            self._close(old)
        if self.total != before:
            _LOG.info(
                "model %s: shared memory grows from %s to %s for a batch of %s",
                self._model, in_mib(before), in_mib(self.total), in_mib(needed),
            )  # fmt: skip
        return grant

    def _check_room(self, needed: int, kept: int, left: int, budget: int) -> None:
        """Raise Shortfall unless ``needed`` bytes fit beside those ``kept``, on the machine and in the budget."""
        shortage = Shortage(needed, kept, max(0, left), self.policy)
        if shortage.over_limit:
            raise Shortfall(
                f"a batch needs {in_mib(needed)} of shared memory in one piece beside the {in_mib(kept)} in use, and "
                f"the limit of the model is {in_mib(self.policy.max)}; raise --shm-max or send less at once",
                shortage,
            )
        if needed > budget:
            raise Shortfall(
                f"a batch needs {in_mib(needed)} of shared memory and {self._budget_left(budget)}; raise --shm-total "
                "or send less at once",
                attrs.evolve(shortage, left=max(0, min(left, budget))),
            )
        if needed > left:
            raise Shortfall(
                f"a batch needs {in_mib(needed)} of shared memory and {in_mib(max(0, left))} of memory are left on "
                "this machine or in this container; raise its memory limit or send less at once",
                shortage,
            )

    def _budget_left(self, left: int) -> str:
        return f"{in_mib(max(0, left))} of the {in_mib(self._budget.total or 0)} for all models together are left"

    def _in_use(self, number: int, owner: int) -> Grant | None:
        """What ``owner`` has in the place of ``number``: a grant that came too late was dropped, so it asks again."""
        mine = [grant for grant in self._grants.values() if grant.owner == owner and number]
        return next((grant for grant in mine if number in (grant.number, grant.replaces)), None)

    def raise_limit(self, size: int) -> None:
        """Have the model's limit be ``size`` bytes; it never becomes less than it is."""
        if size > self.policy.max:
            self.policy = attrs.evolve(self.policy, max=size)
            _LOG.info("model %s: its limit of shared memory is %s now", self._model, in_mib(size))

    def release(self, owner: int) -> None:
        """Forget the segments of a worker that is gone."""
        for grant in [grant for grant in self._grants.values() if grant.owner == owner]:
            self._close(grant)

    def _make(self, size: int, owner: int, replaces: int = 0) -> Grant:
        try:
            descriptor = create_segment_file(size)
        except OSError as error:
            raise ShmError(f"a segment of {in_mib(size)} cannot be made: {error.strerror}") from error
        grant = Grant(next(_numbers), descriptor, size, owner, replaces)
        self._grants[grant.number] = grant
        return grant

    def _close(self, grant: Grant) -> None:
        del self._grants[grant.number]
        os.close(grant.descriptor)


def ledger_of(model: EffectiveModel, budget: Budget | None = None) -> Ledger:
    """The model's memory before its first worker: two segments for each channel, one in either direction."""
    return Ledger(model.name, model.policy, 2 * model.channels, budget)


def _rounded(size: int) -> int:
    return -(-size // MIB) * MIB
