"""Two models in one host, under two Pythons with two numpys; one is installed for the other Python only."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import pytriton_plugins
from pytriton_plugins.testing import RunningHost, run_host
from tests.support.sandbox.fake_distributions import install
from tests.support.traffic.clients import infer

OTHER = "3.12" if sys.version_info[:2] == (3, 10) else "3.10"
OTHER_NUMPY = "numpy==1.26.*" if int(np.__version__.split(".")[0]) > 1 else "numpy>=2"

MODEL = """
import platform

import numpy as np
from pytriton_plugins import Tensor, infer_func

OUTPUTS = [Tensor("python", str, ()), Tensor("numpy", str, ()), Tensor("double", np.float32, (-1,))]


@infer_func(name="{name}", inputs=[Tensor("x", np.float32, (-1,))], outputs=OUTPUTS)
def model(x):
    rows = len(x)
    return {{"python": [platform.python_version()] * rows, "numpy": [np.__version__] * rows, "double": x * 2}}
"""


def run(*command: str | Path) -> str:
    """The output of a command; fails with its error."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment of the other version, with the other numpy, our package and one model plugin."""
    folder = tmp_path_factory.mktemp("environments") / "other"
    run(f"python{OTHER}", "-m", "venv", folder)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", OTHER_NUMPY)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))
    # As `pip install --no-deps pytriton-plugins` leaves it: the worker's side needs numpy and nothing else.
    (site / "pytriton_plugins").symlink_to(Path(pytriton_plugins.__file__).parent)
    source = MODEL.format(name="there")
    install(site, "acme-there", {"pytriton_plugins.models": {"there": "acme_there"}}, acme_there=source)
    return python


@pytest.fixture(scope="module")
def host(other: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """Serves `there` and, from a plugin folder of the host's own Python, `here`."""
    folder = tmp_path_factory.mktemp("here")
    install(
        folder, "acme-here", {"pytriton_plugins.models": {"here": "acme_here"}}, acme_here=MODEL.format(name="here")
    )
    config = folder / "pytriton-host.toml"
    config.write_text(f'enable = ["here", "there"]\nplugins_dir = "{folder}"\n\n[[environments]]\npython = "{other}"\n')
    with run_host(options=[f"--config={config}"]) as running:
        yield running


def answer(host: RunningHost, model: str) -> tuple[str, str]:
    """The versions of Python and numpy that ran the model."""
    outputs = infer(host, "grpc", model, {"x": np.array([[1, 2]], np.float32)})
    assert outputs["double"].tolist() == [[2, 4]]
    return outputs["python"].item().decode(), outputs["numpy"].item().decode()


def test_each_runs_under_its_own_python_and_numpy(host: RunningHost, other: Path) -> None:
    assert answer(host, "here") == (platform.python_version(), np.__version__)
    python, numpy = answer(host, "there")
    assert python.startswith(f"{OTHER}.")
    assert numpy == run(other, "-c", "import numpy; print(numpy.__version__)")
    assert numpy.split(".")[0] != np.__version__.split(".")[0]
