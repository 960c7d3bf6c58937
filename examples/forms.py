# forms.py
import asyncio

import numpy as np
from pytriton_plugins import Request, RequestError, Tensor, infer_func

X, Y = Tensor("x", np.float32, (-1,)), Tensor("y", np.float32, (-1,))


@infer_func(inputs=[X], outputs=[Y], threads=4)
def squared(x):
    return x * x


@infer_func(inputs=[X], outputs=[Y], max_concurrency=16)
async def looked_up(x):
    await asyncio.sleep(0.01)  # a database, another service
    return x + 1


@infer_func(inputs=[Tensor("upto", np.int32, ())], outputs=[Tensor("number", np.int32, ())])
def counted(upto):
    for number in range(int(upto[0])):
        yield np.array([number], np.int32)


@infer_func(inputs=[Tensor("word", str, ())], outputs=[Tensor("letter", str, ())])
async def spelled(word):
    for letter in word[0]:
        await asyncio.sleep(0)
        yield [letter]


@infer_func(inputs=[X], outputs=[Tensor("largest", np.float32, ())])
def largest(requests: list[Request]):
    answers = []
    for request in requests:
        x = request["x"]
        answers.append(x.max(axis=1) if x.size else RequestError("x is empty"))
    return answers
