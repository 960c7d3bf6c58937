"""A server in this process."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pytriton.triton import Triton, TritonConfig

# Like the folders that tests/conftest.py leaves out: these tests start servers.
collect_ignore_glob = ["*"] if os.environ.get("PYTRITON_TESTS") == "short" else []


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """One server for all tests of a module, without models, on free ports; each test binds its own."""
    config = TritonConfig(http_port=0, grpc_port=0, metrics_port=0, http_address="127.0.0.1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTRITON_HOST_RUN_DIR", str(tmp_path_factory.mktemp("run")))  # apart from other servers
        triton = Triton(config=config)
        triton.run()
    with triton:
        yield triton
