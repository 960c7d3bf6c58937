"""Inputs that clients may omit: requests with the same ones are joined, and others get a default."""

import numpy as np

from pytriton.decorators import batch, fill_optionals, first_value, group_by_keys, group_by_values
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton


@group_by_keys
@batch
def _either(**inputs):
    names = ",".join(sorted(inputs)).encode()
    return {"total": sum(inputs.values()), "names": np.array([[names]] * len(next(iter(inputs.values()))))}


@fill_optionals(power=np.array([2], np.int32))
@batch
@group_by_values("power")
@first_value("power")
def _power(x, power):
    return {"y": x**power}


x = Tensor(name="x", dtype=np.float32, shape=(-1,))
with Triton() as triton:
    triton.bind(
        model_name="Either",
        infer_func=_either,
        inputs=[
            Tensor(name="a", dtype=np.float32, shape=(-1,), optional=True),
            Tensor(name="b", dtype=np.float32, shape=(-1,), optional=True),
        ],
        outputs=[Tensor(name="total", dtype=np.float32, shape=(-1,)), Tensor(name="names", dtype=bytes, shape=(1,))],
        config=ModelConfig(max_batch_size=16),
    )
    triton.bind(
        model_name="Power",
        infer_func=_power,
        inputs=[x, Tensor(name="power", dtype=np.int32, shape=(1,), optional=True)],
        outputs=[Tensor(name="y", dtype=np.float32, shape=(-1,))],
        config=ModelConfig(max_batch_size=16),
    )
    triton.serve()
