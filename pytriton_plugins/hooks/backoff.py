"""The pause before a restart, which grows while ends follow each other; for workers and for tritonserver."""

from __future__ import annotations

from collections.abc import Iterable

import attrs


@attrs.frozen
class Backoff:
    """``first`` seconds after the second end, twice as long after each further one, at most ``longest``.

    Ends count for ``window`` seconds, and after more than ``max_ends`` of them there is no restart.
    """

    first: float
    longest: float
    window: float
    max_ends: int

    def recent(self, ends: Iterable[float], now: float) -> int:
        """How many of these ends count now; all are moments of one clock, in seconds."""
        return sum(now - end < self.window for end in ends)

    def pause(self, ends: int) -> float | None:
        """Seconds before the restart after the last of so many ends, 0 after the first; None where there is none."""
        if ends > self.max_ends:
            return None
        return 0.0 if ends == 1 else min(self.first * 2.0 ** (ends - 2), self.longest)
