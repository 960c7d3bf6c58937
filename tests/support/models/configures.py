"""A model that configures `logging` in its own way and shows a progress bar; served by tests/faults/test_logs.py."""

from __future__ import annotations

import logging
import logging.config
import sys

import numpy as np

from pytriton_plugins import Tensor, infer_func

_LOG = logging.getLogger("configures")
# As in Python's own examples: what is not named here is disabled from now on.
logging.config.dictConfig({"version": 1, "loggers": {"configures": {"level": "NOTSET"}}})


@infer_func(inputs=[Tensor("x", np.float32, ())], outputs=[Tensor("y", np.float32, ())])
def configures(x):  # type: ignore[no-untyped-def]
    """Raises in the middle of a line."""
    _LOG.debug("called with %d rows", len(x))
    sys.stderr.write("\r 10%|#   |\r 50%|##  |")
    raise ValueError("no luck")
