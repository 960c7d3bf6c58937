"""The example with a repository, installed as a wheel, is served with its models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from pytriton_plugins.testing import run_host
from tests.support.docs.example_files import EXAMPLES
from tests.support.traffic.clients import infer


def test_the_example_is_served(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", tmp_path, EXAMPLES / "acme-standard"], check=True)
    with run_host(options=["--plugin=acme-standard", f"--plugins-dir={tmp_path}"]) as host:
        outputs = infer(host, "http", "acme_standard", {"x": np.array([[1, 2, 3]], np.float32)})
    assert outputs["standard"].tolist() == [[-1, 0, 1]]
