import argparse

import numpy as np

from pytriton.client import ModelClient

parser = argparse.ArgumentParser()
parser.add_argument("--url", default="localhost")
url = parser.parse_args().url

x = np.array([[1], [2]], np.float32)


def answer(name, version=None):
    with ModelClient(url, name, version) as client:
        return client.infer_batch(x)["y"].ravel().tolist()


assert answer("Last") == [1, 2]
assert answer("Twice", "1") == [2, 4]
assert answer("Twice", "2") == [-2, -4]
assert answer("Thrice") == [33, 66]
