import argparse

import numpy as np

from pytriton.client import ModelClient

parser = argparse.ArgumentParser()
parser.add_argument("--url", default="localhost")
url = parser.parse_args().url

a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((2, 3), np.float32)
with ModelClient(url, "AddSub") as client:
    answer = client.infer_batch(a, b)
    assert client.infer_sample(a[0], b[0])["add"].tolist() == [1, 2, 3]
np.testing.assert_array_equal(answer["add"], a + b)
np.testing.assert_array_equal(answer["sub"], a - b)
