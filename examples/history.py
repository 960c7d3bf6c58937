# history.py
import numpy as np
from pytriton_plugins import Request, Sequence, Tensor, infer_func


@infer_func(
    inputs=[Tensor("token", np.int64, (1,))],
    outputs=[Tensor("length", np.int64, (1,))],
    sequence=Sequence(max_live=500),
    workers=2,
)
def history(requests: list[Request]):
    results = []
    for request in requests:
        tokens = request.sequence.state.setdefault("tokens", [])
        tokens.append(request["token"][0, 0])
        results.append(np.array([[len(tokens)]]))
    return results
