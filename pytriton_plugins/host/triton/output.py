"""What tritonserver prints, as messages of the log with Triton's own level and source; runs in the host."""

from __future__ import annotations

import logging
import re

from pytriton_plugins.host.log.setup import TRITON, about
from pytriton_plugins.host.triton.repository import GATES

_LOG = logging.getLogger(TRITON)

_LINE = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ \d+ ([\w.+-]+:\d+)\] (.*)")
"""Level, source and text; the text stands in quotes since 24.09."""

_LEVELS = {"I": logging.INFO, "W": logging.WARNING, "E": logging.ERROR, "F": logging.CRITICAL}

_NOISE = (
    GATES[0],  # ours to say; the other's name begins like it
    "Unable to allocate pinned system memory",  # these four: no GPU, and none is needed
    "CudaDriverHelper has not been initialized",
    "DCGM unable to start",
    "CUDA memory pool disabled",
    "Failed to set config modification time",  # the configuration came in the call that loads
    "into response cache: Response buffer from output was nullptr",  # an error, which the backend keeps out of it
)


def log_line(line: str) -> None:
    """Log one line; what is no news stays out of the log unless its level is debug."""
    found = _LINE.fullmatch(line)
    if found is None:
        # Its tables and its help; of a program that is no tritonserver, anything.
        _LOG.debug("%s", line, extra=about(said=[line]))
        return
    level = logging.DEBUG if any(text in line for text in _NOISE) else _LEVELS[found[1]]
    text = _unquoted(found[3])
    _LOG.log(level, "%s", text, extra=about(said=[text], source=found[2]))


def log_left_out(count: int, last: str) -> None:
    """Say that ``count`` lines are not in the log, the ``last`` among them."""
    said = [f"… {count} lines left out, the last: {last}"]
    _LOG.warning("%s", said[0], extra=about(said=said))


def _unquoted(text: str) -> str:
    if len(text) < 2 or not text.startswith('"') or not text.endswith('"'):
        return text
    return text[1:-1].replace('\\"', '"')
