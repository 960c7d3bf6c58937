"""Parts of an answer, as a language model sends them."""

import numpy as np

from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton


@batch
def _words(text):
    for word in text[0, 0].decode().split():
        yield {"word": np.array([[word.encode()]])}


def _countdown(requests):
    for number in range(int(requests[0]["start"][0, 0]), 0, -1):
        yield [{"number": np.array([[number]], np.int32)} for _ in requests]


with Triton() as triton:
    triton.bind(
        model_name="Words",
        infer_func=_words,
        inputs=[Tensor(name="text", dtype=bytes, shape=(1,))],
        outputs=[Tensor(name="word", dtype=bytes, shape=(1,))],
        config=ModelConfig(decoupled=True),
    )
    triton.bind(
        model_name="Countdown",
        infer_func=_countdown,
        inputs=[Tensor(name="start", dtype=np.int32, shape=(1,))],
        outputs=[Tensor(name="number", dtype=np.int32, shape=(1,))],
        config=ModelConfig(decoupled=True),
    )
    triton.serve()
