import argparse

import numpy as np

from pytriton.client import ModelClient

parser = argparse.ArgumentParser()
parser.add_argument("--url", default="localhost")
url = parser.parse_args().url

x = np.linspace(-1, 1, 32).reshape(-1, 1)
with ModelClient(url, "Train") as train, ModelClient(url, "Infer") as infer:
    before = infer.infer_batch(x)["steps"][0]
    for _ in range(3):
        train.infer_batch(x, 5 * x - 2)
    while infer.infer_batch(x)["steps"][0] < before + 3:
        pass
    learned = infer.infer_batch(x)["y"]
np.testing.assert_allclose(learned, 5 * x - 2, atol=0.01)
