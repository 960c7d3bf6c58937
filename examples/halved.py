import numpy as np
from pytriton_plugins import Context, Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
async def halved(x: np.ndarray, ctx: Context) -> dict[str, np.ndarray]:
    out = ctx.empty("y", x.shape)
    np.divide(x, 2, out=out)
    return {"y": out}
