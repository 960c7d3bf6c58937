import argparse

import numpy as np

from pytriton.client import ModelClient

parser = argparse.ArgumentParser()
parser.add_argument("--url", default="localhost")
url = parser.parse_args().url

texts = np.array([[b"a text"], ["größer".encode()]], dtype=object)
numbers = np.random.default_rng(0).random((2, 5, 2))
with ModelClient(url, "Identity") as client:
    assert client.model_config.max_batch_size == 8
    answer = client.infer_batch(INPUT_1=texts, INPUT_2=numbers)
assert answer["OUTPUT_1"].tolist() == texts.tolist()
np.testing.assert_array_equal(answer["OUTPUT_2"], numbers)
