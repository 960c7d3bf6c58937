"""Several models and versions in one server; one more is bound while it runs, and one is replaced."""

import functools
import signal
import threading

import numpy as np

from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton


@batch
def multiplied(x, factor):
    return {"y": x * factor}


def bind(triton, name, factor, **more):
    triton.bind(
        name,
        batch(functools.partial(lambda x, by: {"y": x * by}, by=factor)),
        inputs=[Tensor(name="x", dtype=np.float32, shape=(1,))],
        outputs=[Tensor(name="y", dtype=np.float32, shape=(1,))],
        config=ModelConfig(max_batch_size=4),
        **more,
    )


stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
with Triton() as triton:
    bind(triton, "Twice", 2)
    bind(triton, "Thrice", 3)
    triton.run()
    bind(triton, "Twice", -2, model_version=2)
    bind(triton, "Thrice", 33)
    bind(triton, "Last", 1)
    stopped.wait()
