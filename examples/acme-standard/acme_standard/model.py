"""The models of the ensemble `acme_standard`: it centres each row, then scales it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("centred", np.float32, (-1,))])
def acme_standard_centre(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row with a mean of 0."""
    return x - x.mean(axis=1, keepdims=True)


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("scaled", np.float32, (-1,))])
def acme_standard_scale(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row with a largest value of 1."""
    return x / np.abs(x).max(axis=1, keepdims=True, initial=1e-12)
