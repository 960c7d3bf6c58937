# context.py
import time

import numpy as np
from pytriton_plugins import Context, Tensor, infer_func


@infer_func(
    inputs=[Tensor("x", np.float32, (-1,))],
    outputs=[Tensor("y", np.float32, (-1,)), Tensor("steps", np.int32, ())],
    timeout=30,
)
def refined(x, ctx: Context):
    y = ctx.empty("y", x.shape)
    y[...] = x
    steps = np.zeros(len(x), np.int32)
    for request in ctx.requests:
        wanted = int(request.parameters.get("steps", 1))
        if wanted > 1000:
            request.fail("steps is at most 1000", code="INVALID_ARG")
            continue
        for _ in range(wanted):
            if request.cancelled or (request.deadline and time.monotonic() > request.deadline):
                break
            y[request.rows] *= 2
            steps[request.rows] += 1
        request.set("answered_for", request.id or "unknown")
    return {"y": y, "steps": steps}
