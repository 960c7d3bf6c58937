"""A model that learns in one thread from what clients send to one endpoint, while another endpoint answers with it."""

import queue
import threading

import numpy as np

from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton


class OnlineModel:
    """The weights of y = w * x + b, learned by gradient descent."""

    def __init__(self):
        self.weights = np.zeros(2)
        self.samples = queue.Queue()
        self.steps = 0
        threading.Thread(target=self._train, daemon=True).start()

    def _train(self):
        while True:
            x, y = self.samples.get()
            features = np.concatenate([x, np.ones_like(x)], axis=1)
            for _ in range(200):
                error = features @ self.weights - y[:, 0]
                self.weights = self.weights - 0.3 * features.T @ error / len(x)
            self.steps += 1

    @batch
    def train(self, x, y):
        self.samples.put((x, y))
        return {"queued": np.full((len(x), 1), self.samples.qsize(), np.int32)}

    @batch
    def infer(self, x):
        steps = np.full((len(x), 1), self.steps)
        return {"y": x * self.weights[0] + self.weights[1], "steps": steps}


def vector(name, dtype=np.float64):
    return Tensor(name=name, dtype=dtype, shape=(1,))


model = OnlineModel()
with Triton() as triton:
    config = ModelConfig(max_batch_size=64)
    triton.bind("Train", model.train, [vector("x"), vector("y")], [vector("queued", np.int32)], config=config)
    triton.bind("Infer", model.infer, [vector("x")], [vector("y"), vector("steps", np.int32)], config=config)
    triton.serve()
