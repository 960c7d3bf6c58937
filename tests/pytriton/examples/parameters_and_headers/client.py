import argparse

import numpy as np

from pytriton.client import ModelClient

parser = argparse.ArgumentParser()
parser.add_argument("--url", default="localhost")
url = parser.parse_args().url

x = np.array([[1, 2]], np.int64)
with ModelClient(url, "Echo") as client:
    answer = client.infer_batch(x, parameters={"scale": 3}, headers={"header_caller": "Ada"})
    plain = client.infer_batch(x, headers={"other": "Eve"})
assert (answer["scaled"].tolist(), answer["caller"].item()) == ([[3, 6]], b"Ada")
assert (plain["scaled"].tolist(), plain["caller"].item()) == ([[1, 2]], b"nobody")
