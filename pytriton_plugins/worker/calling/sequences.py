"""The states of sequences: those of each channel, and the thread that drops idle ones."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from pytriton_plugins.errors import RequestError

if TYPE_CHECKING:
    from pytriton_plugins.model.sequence import Sequence

SLACK = 1.0
"""Seconds beyond ``max_idle`` after which a state is dropped here: the backend refuses requests before that."""

LONGEST_WAIT = 60.0
"""Seconds beyond that while the channel is in use: a request may wait in the backend for those of other sequences."""

Id = int | str


class _Kept:
    """The state of one sequence."""

    __slots__ = ("in_use", "state", "used_at")

    def __init__(self) -> None:
        self.state: dict[Any, Any] = {}
        self.in_use = True
        self.used_at = 0.0


class ChannelSequences:
    """The states of the sequences of one channel, which end with it."""

    def __init__(self, keeper: SequenceKeeper) -> None:
        self._keeper = keeper
        self._lock = threading.Lock()
        self._kept: dict[Id, _Kept] = {}
        self._used_at = 0.0

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, sequence: Id, *, start: bool) -> dict[Any, Any]:
        """The state for a request, which no thread drops until `end`; a new one for the first request.

        Raises RequestError if there is none.
        """
        with self._lock:
            kept = _Kept() if start else self._kept.get(sequence)
            if kept is None:
                raise self._keeper.lost(sequence)
            kept.in_use = True
            self._kept[sequence] = kept
        if start:
            self._keeper.watch()
        return kept.state

    def end(self, sequence: Id, *, last: bool) -> None:
        """The request is answered; drop the state after the last one."""
        with self._lock:
            self._used_at = time.monotonic()
            if last:
                self._kept.pop(sequence, None)
            elif (kept := self._kept.get(sequence)) is not None:
                kept.in_use = False
                kept.used_at = self._used_at

    def expire(self, now: float, max_idle: float) -> None:
        """Drop the states that are idle at the time ``now`` of `time.monotonic`."""
        with self._lock:
            is_used = now < self._used_at + SLACK or any(kept.in_use for kept in self._kept.values())
            before = now - max_idle - SLACK - (LONGEST_WAIT if is_used else 0.0)
            idle = [sequence for sequence, kept in self._kept.items() if not kept.in_use and kept.used_at < before]
            for sequence in idle:
                del self._kept[sequence]


class SequenceKeeper:
    """Has a thread that drops idle states, while there are any."""

    def __init__(self, model: str, max_idle: float) -> None:
        self._model = model
        self._max_idle = max_idle
        self._interval = min(SLACK, max_idle / 4)
        self._lock = threading.Lock()
        self._channels: weakref.WeakSet[ChannelSequences] = weakref.WeakSet()
        self._is_watching = False

    def new_channel(self) -> ChannelSequences:
        """The states of one more channel."""
        channel = ChannelSequences(self)
        with self._lock:
            self._channels.add(channel)
        return channel

    def lost(self, sequence: Id) -> RequestError:
        """The error of a request whose sequence has no state."""
        return RequestError(
            f"model {self._model}: sequence {sequence} has no state: its first request did not run, or it was idle "
            f"for longer than max_idle ({self._max_idle:g} s); start it again (sequence_start)",
            code="UNAVAILABLE",
        )

    def watch(self) -> None:
        """Start the thread, unless it runs."""
        with self._lock:
            if self._is_watching:
                return
            self._is_watching = True
        threading.Thread(target=self._run, name="pytriton-sequences", daemon=True).start()

    def _run(self) -> None:
        while self._has_any():
            time.sleep(self._interval)
            self._expire()

    def _expire(self) -> None:
        with self._lock:
            channels = list(self._channels)
        for channel in channels:
            channel.expire(time.monotonic(), self._max_idle)

    def _has_any(self) -> bool:
        with self._lock:
            self._is_watching = any(map(len, self._channels))
            return self._is_watching


def keeper_of(model: str, sequence: Sequence | None, max_idle: float | None = None) -> SequenceKeeper | None:
    """The keeper of the model's sequences; None for a model without them. ``max_idle``: None for the declared one."""
    return None if sequence is None else SequenceKeeper(model, max_idle or sequence.max_idle)
