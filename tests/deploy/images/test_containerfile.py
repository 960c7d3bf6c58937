"""The Containerfile, byte for byte, and the values of `--server` and `--base`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytriton_plugins.deploy.images.containerfile import (
    MIN_RELEASE,
    TRITON_TAG,
    Image,
    Server,
    containerfile,
    read_server,
)
from pytriton_plugins.deploy.images.requirements import Metadata, Wanted
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.host.triton.version_check import MIN_VERSION

HERE = Path(__file__).parent
DIGEST = f"sha256:{'0123456789abcdef' * 4}"


def test_the_bundle() -> None:
    about = Metadata("1.2", 'Adds "a" to b\n  for $1, a\\b', "MIT", "https://example.com/acme")
    image = Image(
        read_server("bundle", None),
        (Wanted("pytriton-plugins", "pytriton-plugins"),),
        (Wanted("./add", "acme-add", path=Path("/src/add"), metadata=about),),
        config="pytriton-host.toml",
    )
    assert containerfile(image) == (HERE / "bundle.Containerfile").read_text()


def test_triton() -> None:
    image = Image(
        read_server("triton", None),
        (Wanted("pytriton-plugins", "pytriton-plugins", path=Path("/src")),),
        (Wanted("acme-add>=1.2", "acme-add"),),
        ports=(9000, 8001, 8002),
    )
    assert containerfile(image) == (HERE / "triton.Containerfile").read_text()


@pytest.mark.parametrize(
    ("text", "base", "expected"),
    [
        ("bundle", None, "python:3.12-slim"),
        ("bundle", "debian/py:1", "debian/py:1"),
        ("triton", None, f"nvcr.io/nvidia/tritonserver:{TRITON_TAG}-py3"),
        ("triton:26.06", None, "nvcr.io/nvidia/tritonserver:26.06-py3"),
        ("triton:26.06-vllm-python-py3", None, "nvcr.io/nvidia/tritonserver:26.06-vllm-python-py3"),
        (f"triton:26.06@{DIGEST}", None, f"nvcr.io/nvidia/tritonserver:26.06-py3@{DIGEST}"),
        ("triton", f"example.com:5000/acme/triton@{DIGEST}", f"example.com:5000/acme/triton@{DIGEST}"),
    ],
)
def test_the_base(text: str, base: str | None, expected: str) -> None:
    assert read_server(text, base).base == expected


@pytest.mark.parametrize(
    ("text", "base", "message"),
    [
        ("tritn", None, "expected bundle, or triton:26.10"),
        ("bundle:1", None, "expected bundle, or triton:26.10"),
        ("triton:", None, "expected bundle, or triton:26.10"),
        ("triton:latest", None, "invalid tag latest"),
        ("triton:26.06\nRUN x", None, "invalid tag"),
        ("triton:26.06@sha256:0\nRUN x", None, "invalid tag"),
        ("triton", "x y", "invalid image 'x y'"),
        ("triton", "", "invalid image ''"),
    ],
)
def test_an_invalid_server_is_refused(text: str, base: str | None, message: str) -> None:
    """A value that names no server is refused."""
    with pytest.raises(ConfigError, match=message) as error:
        read_server(text, base)
    assert "\n" not in str(error.value)


def test_the_default_is_safe_and_what_is_not_is_told() -> None:
    assert read_server("triton", None).warning == ""
    assert read_server("triton:26.06", None).warning == ""
    assert "26.05 is older than 26.06" in read_server("triton:26.05", None).warning
    assert "for development and tests" in read_server("bundle", None).warning
    year, month = MIN_RELEASE
    assert (2, 64 + month + 12 * (year - 26)) == MIN_VERSION, "the server's own version of that release"
    assert isinstance(read_server("triton", None), Server)
