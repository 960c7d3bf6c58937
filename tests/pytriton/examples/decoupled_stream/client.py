import argparse

import numpy as np

from pytriton.client import DecoupledModelClient

parser = argparse.ArgumentParser()
parser.add_argument("--url", default="grpc://localhost")
url = parser.parse_args().url

with DecoupledModelClient(url, "Words") as client:
    words = [part["word"].item() for part in client.infer_sample(np.array([b"one word after another"]))]
assert words == [b"one", b"word", b"after", b"another"]
with DecoupledModelClient(url, "Countdown") as client:
    assert [part["number"].item() for part in client.infer_sample(np.array([3], np.int32))] == [3, 2, 1]
