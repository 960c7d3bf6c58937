"""A model of bfloat16 in an environment without ml_dtypes; served by the tests of the daemon."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytriton_plugins import Tensor, infer_func

sys.modules["ml_dtypes"] = None  # type: ignore[assignment]
# Only in this model's workers: tritonclient, which the daemon itself uses, needs the real one.


@infer_func(inputs=[Tensor("x", "bfloat16", (-1,))], outputs=[Tensor("y", "bfloat16", (-1,))])
def negated(x: NDArray[Any]) -> NDArray[Any]:
    """``x`` with the other sign."""
    assert x.dtype == np.uint16
    turned: NDArray[Any] = x ^ np.uint16(0x8000)
    return turned
