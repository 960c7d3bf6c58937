# totals.py
import numpy as np
from pytriton_plugins import Tensor, infer_func

KINDS = [np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64]


@infer_func(
    inputs=[Tensor(np.dtype(kind).name, kind, (-1,), optional=True) for kind in KINDS],
    outputs=[Tensor("unsigned", np.uint64, ()), Tensor("signed", np.int64, ())],
)
def totals(**counts):
    rows = len(next(iter(counts.values())))
    sums = {"unsigned": np.zeros(rows, np.uint64), "signed": np.zeros(rows, np.int64)}
    for numbers in counts.values():
        total = sums["unsigned" if numbers.dtype.kind == "u" else "signed"]
        total += numbers.sum(axis=1, dtype=total.dtype)
    return sums
