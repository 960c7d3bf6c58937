"""Why a daemon cannot get ready by itself, from what it has printed."""

from __future__ import annotations

import re

_REASON = re.compile(r"not ready: (plugin .*|repository .*|model [^:]*: (.*))")


def is_settled(output: str) -> bool:
    """Whether every plugin serves or has failed: the table is printed, and the addresses below it."""
    return "gRPC " in output


def failures(output: str) -> list[str]:
    """The plugins and models that have failed for good, each with its reason; none while the start goes on.

    A model that only waits for its next worker is not among them, nor what a hook plugin may take back.
    """
    if not is_settled(output):
        return []
    from pytriton_plugins.host.supervision.supervisor import PASSING  # heavy, and only needed here

    found = [match for line in output.splitlines() if (match := _REASON.fullmatch(line))]
    return [match[1] for match in found if not _own_reason(match[2] or "").startswith(PASSING)]


def _own_reason(reason: str) -> str:
    """The reason of the model that is called, where that is the reason."""
    return reason.rsplit(", which is not served: ", 1)[-1]
