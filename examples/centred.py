# centred.py
import numpy as np
from pytriton_plugins import Context, Tensor, infer_func

X = [Tensor("x", np.float32, (-1,))]


@infer_func(inputs=X, outputs=[Tensor("middle", np.float32, ())])
def middle(x):
    return np.median(x, axis=1)


@infer_func(inputs=X, outputs=[Tensor("centred", np.float32, (-1,))], calls=["middle"])
def centred(x, ctx: Context):
    middles = ctx.models["middle"](x=x)["middle"]  # one for each row: (B, 1)
    return x - middles
