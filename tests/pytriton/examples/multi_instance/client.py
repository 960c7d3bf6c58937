import argparse

import numpy as np

from pytriton.client import FuturesModelClient

parser = argparse.ArgumentParser()
parser.add_argument("--url", default="localhost")
url = parser.parse_args().url

with FuturesModelClient(url, "OnDevices", max_workers=2) as client:
    futures = [client.infer_sample(np.array([number], np.float32)) for number in (1, 2)]
    answers = [future.result() for future in futures]
assert [answer["y"].tolist() for answer in answers] == [[2], [4]]
assert sorted(answer["device"].item() for answer in answers) == [b"cuda:0", b"cuda:1"]
