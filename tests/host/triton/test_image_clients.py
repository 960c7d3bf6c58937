"""tritonclient's image clients, as NVIDIA publishes them, against models with formats and labels.

PYTRITON_IMAGE_CLIENTS names the folder that has them: src/python/examples of triton-inference-server/client on GitHub.
They need pillow, and over HTTP attrdict. `test_labels.py` asks for the same with tritonclient's library.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.testing import RunningHost, run_host
from tests.support.paths import MODELS

CLIENTS = os.environ.get("PYTRITON_IMAGE_CLIENTS", "")
TIMEOUT = 120
"""Seconds."""

COLOURS = {"blue": b"\x01\x01\xff", "green": b"\x01\xff\x01", "red": b"\xff\x01\x01"}
"""Without zeros: ensemble_image_client makes a numpy array of bytes of the file, which drops zeros at its end."""

pytestmark = pytest.mark.skipif(not CLIENTS, reason="PYTRITON_IMAGE_CLIENTS names no folder with the clients")


@pytest.fixture(scope="module")
def host() -> Iterator[RunningHost]:
    with run_host(MODELS / "images.py") as host:
        yield host


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One image of each colour, named by it."""
    folder = tmp_path_factory.mktemp("images")
    for name, pixel in COLOURS.items():
        (folder / f"{name}.ppm").write_bytes(b"P6\n16 12\n255\n" + pixel * (16 * 12))
    return folder


def run(client: str, *arguments: object) -> str:
    """The output of a client that has passed."""
    command = [sys.executable, str(Path(CLIENTS, f"{client}.py")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "PASS"
    return done.stdout


def test_image_client(host: RunningHost, images: Path) -> None:
    """Over HTTP and gRPC, waiting, async and as a stream."""
    http, grpc = ("-i", "HTTP", "-u", host.http), ("-i", "gRPC", "-u", host.grpc)
    for way in ([*http], [*http, "-a"], [*grpc], [*grpc, "-a"], [*grpc, "--streaming"]):
        output = run("image_client", "-m", "colour", "-b", 4, "-c", 3, "-s", "NONE", *way, images)
        first = [line.split() for line in output.splitlines() if line.startswith("    1.000000")]
        assert [words[-1] for words in first] == ["blue", "green", "red", "blue"]
        assert output.count(" = ") == 12


def test_grpc_image_client(host: RunningHost, images: Path) -> None:
    for way in ([], ["-a"], ["--streaming"]):
        output = run("grpc_image_client", "-m", "colour", "-b", 4, "-c", 3, "-u", host.grpc, *way, images)
        assert [line.split()[-1] for line in output.splitlines() if "1.000000" in line] == [
            "blue",
            "green",
            "red",
            "blue",
        ]


def test_ensemble_image_client(host: RunningHost, images: Path) -> None:
    """Its input is the content of a file."""
    for way in (["-i", "HTTP", "-u", host.http], ["-i", "gRPC", "-u", host.grpc]):
        output = run("ensemble_image_client", "-m", "encoded_colour", "-c", 2, *way, images)
        assert [line.split()[-1] for line in output.splitlines() if "1.000000" in line] == ["blue", "green", "red"]
