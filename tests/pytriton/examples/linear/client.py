import argparse

import numpy as np

from pytriton.client import FuturesModelClient

parser = argparse.ArgumentParser()
parser.add_argument("--url", default="localhost")
url = parser.parse_args().url

generator = np.random.default_rng(3)
weight, bias = generator.random((20, 30)).astype(np.float32), generator.random(30).astype(np.float32)
features = [np.full((rows, 20), rows, np.float32) for rows in (1, 2, 3, 4)]
with FuturesModelClient(url, "Linear", max_workers=4) as client:
    futures = [client.infer_batch(each) for each in features]
    for each, future in zip(features, futures, strict=True):
        np.testing.assert_allclose(future.result()["OUTPUT_1"], each @ weight + bias, rtol=1e-5)
