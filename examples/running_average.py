# running_average.py
import numpy as np
from pytriton_plugins import Context, Sequence, Tensor, infer_func


@infer_func(
    inputs=[Tensor("value", np.float32, (1,))],
    outputs=[Tensor("average", np.float32, (1,))],
    sequence=Sequence(max_idle=60),
)
def running_average(value, ctx: Context):
    state = ctx.sequence.state
    state["sum"] = state.get("sum", 0) + value
    state["count"] = state.get("count", 0) + 1
    return state["sum"] / np.float32(state["count"])
