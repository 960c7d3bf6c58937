import argparse

import numpy as np

from pytriton.client import ModelClient

parser = argparse.ArgumentParser()
parser.add_argument("--url", default="localhost")
url = parser.parse_args().url

with ModelClient(url, "Squared") as client:
    assert client.infer_sample(np.array([2, 3], np.float32))["y"].tolist() == [4, 9]
