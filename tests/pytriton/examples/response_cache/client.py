import argparse

import numpy as np

from pytriton.client import ModelClient

parser = argparse.ArgumentParser()
parser.add_argument("--url", default="localhost")
url = parser.parse_args().url

one, other = np.array([1, 2], np.float32), np.array([3, 4], np.float32)
with ModelClient(url, "Numbered") as client:
    first = client.infer_sample(one)["call"].item()
    second = client.infer_sample(other)["call"].item()
    again = client.infer_sample(one)["call"].item()
assert again == first != second
