"""Models that declare calls of others, which they do not make; ``HOLD``: a file that holds the import."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from pytriton_plugins import Context, Tensor, infer_func

X, Y = [Tensor("x", np.float32, (-1,))], [Tensor("y", np.float32, (-1,))]

while os.path.exists(os.environ.get("HOLD", "")):
    time.sleep(0.01)


@infer_func(inputs=X, outputs=Y, calls=["middle", ("embed", 1)])
def top(x: Any, ctx: Context) -> Any:
    return x


@infer_func(inputs=X, outputs=Y, calls=["embed"], workers=2)
def middle(x: Any, ctx: Context) -> Any:
    if (x < 0).any():
        gate = Path(os.environ["GATE"])
        while gate.exists():
            time.sleep(0.01)
    return x
