"""The output of tritonserver: messages of the log with Triton's level and source, and reasons for a failed start."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.log.setup import TRITON, about
from pytriton_plugins.host.triton.backend_link import BackendLink
from pytriton_plugins.host.triton.repository import GATES

_LOG = logging.getLogger(TRITON)
GATE_CLOSED = "the gate is closed"
"""The backend's message about a gate that it does not load."""

_REFUSED = re.compile(rf"load failed for model '{GATES[0]}': version 1 is at UNAVAILABLE state: (.*)")
_NO_SERVER = re.compile(r'^E\d{4} .* tritonserver\.cc:\d+\] "?(.*)')

_NO_FRONT_END = re.compile(r'^E\d{4} .* main\.cc:\d+\] "?(failed to start .*)')

_LINE = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ \d+ ([\w.+-]+:\d+)\] (.*)")
"""Level, source and text; the text stands in quotes since 24.09."""

_LEVELS = {"I": logging.INFO, "W": logging.WARNING, "E": logging.ERROR, "F": logging.CRITICAL}

_NOISE = (
    GATES[0],  # the daemon reports it; the other gate's name begins like it
    "Unable to allocate pinned system memory",  # these six: no GPU, and none is needed
    "CudaDriverHelper has not been initialized",
    "DCGM unable to start",
    "CUDA memory pool disabled",
    "unable to create stream for",  # this and the next one: of an ensemble
    "no pinned memory pool, falling back",
    "Failed to set config modification time",  # the configuration came in the call that loads
    "into response cache: Response buffer from output was nullptr",  # an error, which the backend keeps out of it
)


def log_line(line: str) -> None:
    """Log one line; noise has the level debug."""
    found = _LINE.fullmatch(line)
    if found is None:
        # Tables and help of tritonserver, or the output of another program.
        _LOG.debug("%s", line, extra=about(printed=[line]))
        return
    level = logging.DEBUG if any(text in line for text in _NOISE) else _LEVELS[found[1]]
    text = _unquoted(found[3])
    _LOG.log(level, "%s", text, extra=about(printed=[text], source=found[2]))


class ServerOutput:
    """Logs the lines of one tritonserver; a line that explains why it cannot start fails the link's hello."""

    def __init__(self, link: BackendLink) -> None:
        self._link = link

    def add(self, line: str) -> None:
        log_line(line)
        if (reason := refusal(line)) is not None:
            self._link.refuse(ServerError(reason))

    def left_out(self, count: int, last: str) -> None:
        lines = [f"… {count} lines left out, the last: {last}"]
        _LOG.warning("%s", lines[0], extra=about(printed=lines))


def refusal(line: str) -> str | None:
    """Why the server cannot start: the gate fails for another reason than being closed, or it did not come so far."""
    found = _REFUSED.search(line)
    if found:
        closed = GATE_CLOSED in found[1]
        return None if closed else f"tritonserver cannot use our backend: {_reason(found[1])}"
    # With --exit-on-error=false, which the gate needs, the process stays, and would never answer.
    found = None if GATES[0] in line else _NO_SERVER.match(line)
    return f"tritonserver cannot start: {_reason(found[1])}; correct --server-option" if found else None


def front_end_failure(lines: Iterable[str]) -> str:
    """The line about a front end that did not start, which ends the server, often in a crash; empty without one."""
    found = next((match for line in lines if (match := _NO_FRONT_END.match(line))), None)
    return _reason(found[1]) if found else ""


def _reason(text: str) -> str:
    return text.replace('\\"', '"').rstrip('";\\n')


def _unquoted(text: str) -> str:
    if len(text) < 2 or not text.startswith('"') or not text.endswith('"'):
        return text
    return text[1:-1].replace('\\"', '"')
