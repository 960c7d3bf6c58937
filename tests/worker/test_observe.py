"""What a worker imports, with hook plugins and without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clients import infer
from fake_distributions import install, path_with

from pytriton_plugins.testing import RunningHost, run_host

MODEL = """
    import sys

    import numpy as np
    from pytriton_plugins import Tensor, infer_func


    @infer_func(inputs=[Tensor("x", np.float32, ())], outputs=[Tensor("modules", str, ())])
    def modules(x):
        return [" ".join(sorted(sys.modules))] * len(x)
"""
HOST_HOOK = """
    from pytriton_plugins import hookimpl

    @hookimpl
    def pytriton_on_host_start():
        pass
"""
WORKER_HOOK = """
    from pytriton_plugins import hookimpl

    @hookimpl
    def pytriton_on_request(request):
        pass
"""


def modules_of(host: RunningHost) -> set[str]:
    answer = infer(host, "grpc", "modules", {"x": np.zeros((1, 1), np.float32)})
    return set(answer["modules"].item().decode().split())


@pytest.fixture(params=["no hooks", "hooks of the host", "hooks of the worker"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningHost]:
    """One with a hook plugin of the kind that the test is about, or without."""
    (tmp_path / "modules.py").write_text("")
    install(tmp_path, "acme-modules", {"pytriton_plugins.models": {"modules": "acme_modules"}}, acme_modules=MODEL)
    source = {"hooks of the host": HOST_HOOK, "hooks of the worker": WORKER_HOOK}.get(request.param)
    if source is not None:
        install(tmp_path, "acme-hooks", {"pytriton_plugins.hooks": {"acme": "acme_hooks"}}, acme_hooks=source)
    with run_host(options=["--plugin=modules"], env={"PYTHONPATH": path_with(tmp_path)}) as running:
        yield running


def test_pluggy_is_imported_only_for_hooks_of_the_worker(host: RunningHost, request: pytest.FixtureRequest) -> None:
    """Seen red with every hook plugin handed to the worker (`HookManager.worker_references`)."""
    imported = modules_of(host)
    observed = request.node.callspec.params["host"] == "hooks of the worker"
    assert ("pluggy" in imported) is observed
    assert ("acme_hooks" in imported) is observed
    assert "importlib_metadata" not in imported
    assert "tritonclient" not in imported
