"""Four models, each of which calls the next one; a request can be held in any of them.

``HELD``: the folder of the FIFOs at which requests are held.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from pytriton_plugins import Context, Tensor, infer_func

MODELS = "abcd"
INPUTS = [Tensor("x", np.int64, (-1,)), Tensor("hold", np.int64, (2,))]
"""``hold``: the place in `MODELS` of the model that holds the request, or -1; and the name of its FIFO."""

OUTPUTS = [Tensor("y", np.int64, (-1,)), Tensor("pids", np.int64, (-1,))]
"""``y``: x with a digit more for each model. ``pids``: the workers that the request has passed."""


def answered(place: int, x: Any, hold: Any, models: Any) -> dict[str, Any]:
    """What the model at this place answers for a batch."""
    pids = np.full((len(x), 1), os.getpid())
    _wait(place, *hold[0])
    x = x * 10 + place + 1
    if place == len(MODELS) - 1:
        return {"y": x, "pids": pids}
    called = models[MODELS[place + 1]](x=x, hold=hold)
    return {"y": called["y"], "pids": np.concatenate([pids, called["pids"]], axis=1)}


def _wait(place: int, held: int, name: int) -> None:
    """Write the worker's process id and wait at the FIFO, if this model holds the request."""
    gate = Path(os.environ["HELD"], str(name))
    if place == held and gate.exists():
        gate.with_suffix(".new").write_text(str(os.getpid()))
        gate.with_suffix(".new").rename(gate.with_suffix(".pid"))
        gate.read_bytes()


@infer_func(inputs=INPUTS, outputs=OUTPUTS, calls=["b"])
def a(x: Any, hold: Any, ctx: Context) -> dict[str, Any]:
    return answered(0, x, hold, ctx.models)


@infer_func(inputs=INPUTS, outputs=OUTPUTS, calls=["c"])
def b(x: Any, hold: Any, ctx: Context) -> dict[str, Any]:
    return answered(1, x, hold, ctx.models)


@infer_func(inputs=INPUTS, outputs=OUTPUTS, calls=["d"])
def c(x: Any, hold: Any, ctx: Context) -> dict[str, Any]:
    return answered(2, x, hold, ctx.models)


@infer_func(inputs=INPUTS, outputs=OUTPUTS)
def d(x: Any, hold: Any) -> dict[str, Any]:
    return answered(3, x, hold, None)
