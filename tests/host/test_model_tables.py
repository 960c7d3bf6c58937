"""`[models.NAME]` for a model as a whole: enabled or not, required or not, and the settings of its class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins.testing import run_host
from tests.support.paths import MODELS
from tests.support.sandbox.logs import wait_logged
from tests.support.traffic.clients import PROTOCOLS, attempt, infer

SCALED = f"{MODELS / 'forms.py'}:Scaled"
SCALARS = f"{MODELS / 'kinds.py'}:scalars"
BROKEN = """
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
class Broken:
    def __init__(self):
        raise OSError("no weights here")

    def __call__(self, x):
        return x
"""
X: dict[str, NDArray[Any]] = {"x": np.array([[1, 2]], np.float32)}


def config(folder: Path, text: str) -> list[str]:
    (folder / "host.toml").write_text(text)
    return [f"--config={folder / 'host.toml'}"]


@pytest.mark.parametrize(("table", "factor"), [("", 2), ("factor = 5", 5)], ids=["the default", "the table"])
def test_settings_reach_the_class(tmp_path: Path, table: str, factor: int) -> None:
    with run_host(SCALED, options=config(tmp_path, f"[models.Scaled.settings]\n{table}\n")) as host:
        for protocol in PROTOCOLS:
            assert infer(host, protocol, "Scaled", X)["y"].tolist() == [[factor, 2 * factor]]


def test_a_model_that_is_not_enabled_is_not_served(tmp_path: Path) -> None:
    with run_host(SCALED, SCALARS, options=config(tmp_path, "[models.Scaled]\nenabled = false\n")) as host:
        host.wait_settled()
        assert [line.split()[0] for line in host.output.partition("\nHTTP")[0].splitlines()[1:]] == ["scalars"]
        wait_logged(host, f"plugin {SCALED}: none of its models is enabled")
        for protocol in PROTOCOLS:
            assert "is not found" in attempt(host, protocol, "Scaled", X).error
            assert infer(host, protocol, "scalars", {"x": np.array([[2.0]])})["product"].tolist() == [[20.0]]


@pytest.mark.parametrize(("required", "ready"), [("true", 400), ("false", 200)])
def test_a_model_that_is_not_required_does_not_hold_readiness_back(tmp_path: Path, required: str, ready: int) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    options = config(tmp_path, f"[models.Broken]\nrequired = {required}\n")
    with run_host(tmp_path / "broken.py", SCALARS, options=options, ready=ready == 200) as host:
        host.wait_settled()
        assert host.status("/v2/health/ready") == ready
        assert "OSError: no weights here" in host.output
        for protocol in PROTOCOLS:
            assert attempt(host, protocol, "Broken", X).status in (
                "404",
                "StatusCode.NOT_FOUND",
                "400",
                "StatusCode.UNAVAILABLE",
            )
            assert infer(host, protocol, "scalars", {"x": np.array([[2.0]])})["product"].tolist() == [[20.0]]
