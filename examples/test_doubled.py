# test_doubled.py
import json
import urllib.request

import numpy as np

from pytriton_plugins import Tensor, infer_func
from pytriton_plugins.testing import run_host


@infer_func(inputs=[Tensor("x", np.float32, ())], outputs=[Tensor("y", np.float32, ())])
def doubled(x):
    return x * 2


def test_doubled():
    with run_host(doubled) as host:
        url, body = f"http://{host.http}/v2/models/doubled/generate", json.dumps({"x": 4}).encode()
        assert json.load(urllib.request.urlopen(url, body))["y"] == 8
