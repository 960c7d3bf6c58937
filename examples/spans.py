# spans.py
import numpy as np
from pytriton_plugins import Tensor, infer_func

POINTS = Tensor("points", np.float32, (-1, 2))


@infer_func(
    inputs=[POINTS, Tensor("scale", np.float32, (), optional=True)],
    outputs=[Tensor("span", np.float32, (2,)), Tensor("count", np.int32, ())],
)
def spans(points, scale=None):
    span = np.ptp(points, axis=1) if points.size else np.zeros((len(points), 2), np.float32)
    count = np.full(len(points), points.shape[1], np.int32)
    return (span if scale is None else span * scale[:, np.newaxis]), count


@infer_func(
    inputs=[POINTS, Tensor("least", np.float32, (), optional=True)],
    outputs=[Tensor("chosen", np.float32, (-1, 2)), Tensor("count", np.int32, ())],
    max_batch_size=0,
)
def chosen(points, least=np.float32(0)):
    found = points[(points >= least).all(axis=1)]
    return found, len(found)
