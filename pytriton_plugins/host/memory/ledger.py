"""The shared memory of each model: every segment is made and counted here, and refused where there is no room."""

from __future__ import annotations

import itertools
import logging
import os
import weakref
from typing import TYPE_CHECKING

import attrs

from pytriton_plugins.errors import ShmError
from pytriton_plugins.host.memory.system_limits import memory_headroom
from pytriton_plugins.shm.segment import create_segment_file, touched_bytes
from pytriton_plugins.values import MIB, ShmPolicy, ShmUse, Shortage

if TYPE_CHECKING:
    from pytriton_plugins.config.resolver import EffectiveModel

_LOG = logging.getLogger("pytriton.host")
_MIN_SEGMENT = 1 << 16
_numbers = itertools.count(1)


def in_mib(size: int) -> str:
    return f"{size / MIB:.1f} MiB"


@attrs.frozen
class Grant:
    """One live segment: ``descriptor`` is the daemon's own, ``owner`` the number of the worker that uses it.

    ``replaces`` is the number of the segment that it replaced, 0 for a first one, and ``first`` that of the first one
    in its place. ``calls``: it is for calls of the callable; ``first`` is the first response segment of its channel.
    """

    number: int
    descriptor: int
    size: int
    owner: int
    replaces: int = 0
    first: int = 0
    calls: bool = False


@attrs.frozen
class Channel:
    """The numbers of the first segments of a channel, one in either direction."""

    request: int
    response: int


class InsufficientMemory(ShmError):
    """A batch needs more memory than there is; ``shortage`` has the figures."""

    def __init__(self, message: str, shortage: Shortage) -> None:
        super().__init__(message)
        self.shortage = shortage


class Budget:
    """The memory of all models together: at most ``total`` bytes, None for no limit."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self._ledgers: weakref.WeakSet[Ledger] = weakref.WeakSet()

    def add(self, ledger: Ledger) -> None:
        """Count a model's segments."""
        self._ledgers.add(ledger)

    @property
    def untouched(self) -> int:
        """Bytes of all models that were promised and are not used yet."""
        return sum(ledger.untouched for ledger in self._ledgers)

    @property
    def left(self) -> int:
        """Bytes that no segment has."""
        if self.total is None:
            return 1 << 62
        return self.total - sum(ledger.total for ledger in self._ledgers)


class Ledger:
    """The segments of one model under its policy; all of them, because only the daemon makes segments."""

    def __init__(self, model: str, policy: ShmPolicy, segments: int, budget: Budget | None = None) -> None:
        """The initial memory is shared among ``segments`` segments; ``budget`` is that of all models."""
        self._model = model
        self.budget = budget or Budget(None)
        self.budget.add(self)
        self.policy = policy
        self._initial = max(_MIN_SEGMENT, policy.initial // segments // 4096 * 4096)
        self.at_start = self._initial * segments
        """Bytes of the first segments of all workers, some of which may still be starting."""
        self.refusals = 0
        """Batches that did not get the memory that they need."""
        self._grants: dict[int, Grant] = {}

    @property
    def total(self) -> int:
        """Bytes of all live segments."""
        return sum(grant.size for grant in self._grants.values())

    @property
    def untouched(self) -> int:
        """Bytes that were promised and have no pages yet."""
        return sum(max(0, grant.size - touched_bytes(grant.descriptor)) for grant in self._grants.values())

    @property
    def use(self) -> ShmUse:
        """The memory that it has now."""
        touched = sum(touched_bytes(grant.descriptor) for grant in self._grants.values())
        return ShmUse(self.at_start, self.total, touched, self.policy.max)

    def open_first(self, owner: int) -> Grant:
        """The first segment of one direction for the worker ``owner``; raises ShmError without memory for it."""
        if self._initial > self.budget.left:
            left = self._budget_left(self.budget.left)
            raise ShmError(
                f"its first segments of {in_mib(self._initial)} each do not fit: {left}; raise --shm-total or lower "
                "--shm-initial"
            )
        return self._make(self._initial, owner)

    def open_pair(self, owner: int) -> tuple[Grant, Grant]:
        """The first segments of a channel, for requests and for responses; raises ShmError as `open_first` does."""
        request = self.open_first(owner)
        try:
            return request, self.open_first(owner)
        except BaseException:
            self._close(request)
            raise

    def replace(self, number: int, needed: int, owner: int, untouched: int, *, calls: bool = False) -> Grant:
        """A segment of ``needed`` bytes or more in place of ``number``, or the first one for ``calls`` beside it.

        ``untouched``: bytes that are promised on the whole machine and not used yet. Raises InsufficientMemory, which
        names the limit to raise, ShmError and OSError.
        """
        old = self._in_use(number, owner, calls=calls)
        beside = old or self._in_use(number, owner)
        old_size = old.size if old else 0
        others, budget = self.total - old_size, self.budget.left + old_size
        left = memory_headroom() - untouched
        self._check_room(needed, others, left, budget, "calls need" if calls else "a batch needs")
        base = old_size or (0 if calls else self._initial)
        # A worker asks for the same size again when its callable keeps arrays that lie in the old segment.
        target = base if needed <= base else max(needed, round(base * self.policy.growth))
        size = min(_rounded(target if target <= left else needed), self.policy.max - others, budget)
        before = self.total
        grant = self._make(max(size, needed), owner, number, beside.first if beside else 0, calls)
        if old:
            self._close(old)
        if self.total != before:
            _LOG.info(
                "model %s: shared memory grows from %s to %s for %s of %s",
                self._model, in_mib(before), in_mib(self.total), "calls" if calls else "a batch", in_mib(needed),
            )  # fmt: skip
        return grant

    def _check_room(self, needed: int, others: int, left: int, budget: int, what: str) -> None:
        """Raise InsufficientMemory unless ``needed`` bytes fit beside the others, on the machine and in the budget."""
        shortage = Shortage(needed, others, max(0, left), self.policy)
        if shortage.over_limit:
            raise InsufficientMemory(
                f"{what} {in_mib(needed)} of shared memory in one piece beside the {in_mib(others)} in use, and "
                f"the limit of the model is {in_mib(self.policy.max)}; raise --shm-max or send less at once",
                shortage,
            )
        if needed > budget:
            raise InsufficientMemory(
                f"{what} {in_mib(needed)} of shared memory and {self._budget_left(budget)}; raise --shm-total "
                "or send less at once",
                attrs.evolve(shortage, left=max(0, min(left, budget))),
            )
        if needed > left:
            raise InsufficientMemory(
                f"{what} {in_mib(needed)} of shared memory and {in_mib(max(0, left))} of memory are left on "
                "this machine or in this container; raise its memory limit or send less at once",
                shortage,
            )

    def _budget_left(self, left: int) -> str:
        return f"{in_mib(max(0, left))} of the {in_mib(self.budget.total or 0)} for all models together are left"

    def _in_use(self, number: int, owner: int, *, calls: bool = False) -> Grant | None:
        """The segment of ``owner`` that has or replaced ``number``: a worker drops a late grant, and asks again."""
        mine = [grant for grant in self._grants.values() if grant.owner == owner and grant.calls == calls and number]
        return next((grant for grant in mine if number in (grant.number, grant.replaces)), None)

    def raise_limit(self, size: int) -> None:
        """Raise the model's limit to ``size`` bytes; a lower one changes nothing."""
        if size > self.policy.max:
            self.policy = attrs.evolve(self.policy, max=size)
            _LOG.info("model %s: its limit of shared memory is %s now", self._model, in_mib(size))

    def release(self, owner: int) -> None:
        """Close the segments of a worker that is gone."""
        for grant in [grant for grant in self._grants.values() if grant.owner == owner]:
            self._close(grant)

    def release_channel(self, channel: Channel) -> None:
        """Close the segments of one channel of a worker that stays."""
        firsts = (channel.request, channel.response)
        for grant in [grant for grant in self._grants.values() if grant.first in firsts]:
            self._close(grant)

    def _make(self, size: int, owner: int, replaces: int = 0, first: int = 0, calls: bool = False) -> Grant:
        try:
            descriptor = create_segment_file(size)
        except OSError as error:
            raise ShmError(f"a segment of {in_mib(size)} cannot be made: {error.strerror}") from error
        number = next(_numbers)
        grant = Grant(number, descriptor, size, owner, replaces, first or number, calls)
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
