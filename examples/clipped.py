import numpy as np
from pytriton_plugins import Context, Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
def clipped(x: np.ndarray, ctx: Context) -> np.ndarray:
    ctx.metrics.counter("clipped_total", help="Numbers that were larger than 1").inc((x > 1).sum())
    ctx.metrics.histogram("largest", buckets=(0.5, 1, 2)).observe(x.max())
    ctx.metrics.gauge("last_rows").set(len(x))
    return x.clip(0, 1)
