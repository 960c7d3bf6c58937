"""The models called as functions, and the ensemble by a client of a real server."""

from __future__ import annotations

import numpy as np
from acme_standard.model import acme_standard_centre, acme_standard_scale
from pytriton_plugins.testing import run_host
from tritonclient.grpc import InferenceServerClient, InferInput


def test_functions_like_any_other() -> None:
    x = np.array([[1, 2, 3]], np.float32)
    assert acme_standard_scale(acme_standard_centre(x)).tolist() == [[-1, 0, 1]]


def test_the_ensemble_is_served() -> None:
    x = np.array([[1, 2, 3]], np.float32)
    tensor = InferInput("x", list(x.shape), "FP32")
    tensor.set_data_from_numpy(x)
    with run_host(options=["--plugin=acme-standard"]) as host, InferenceServerClient(host.grpc) as client:
        standard = client.infer("acme_standard", [tensor]).as_numpy("standard")
    assert standard.tolist() == [[-1, 0, 1]]
