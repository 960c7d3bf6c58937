import argparse

import numpy as np

from pytriton.client import ModelClient

parser = argparse.ArgumentParser()
parser.add_argument("--url", default="localhost")
url = parser.parse_args().url

x = np.array([[2, 3], [4, 5]], np.float32)
with ModelClient(url, "Either") as client:
    for inputs in ({"a": x}, {"b": x}, {"a": x, "b": x}):
        answer = client.infer_batch(**inputs)
        assert answer["names"][0, 0] == ",".join(inputs).encode()
        np.testing.assert_array_equal(answer["total"], len(inputs) * x)
with ModelClient(url, "Power") as client:
    np.testing.assert_array_equal(client.infer_batch(x=x)["y"], x**2)
    powers = np.array([[1], [3]], np.int32)
    np.testing.assert_array_equal(client.infer_batch(x=x, power=powers)["y"], x**powers)
