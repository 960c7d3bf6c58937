"""Folders of model repositories, and distributions that have plugins or a repository."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytriton_plugins.discovery.entry_points import MODELS_GROUP, REPOSITORIES_GROUP
from tests.support.sandbox.fake_distributions import install

_MODEL = """
import numpy as np
from pytriton_plugins import Context, Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))], calls={calls})
def {name}(x, ctx: Context):
    return {result}
"""
_TENSORS = """max_batch_size: 64
input { name: "x" data_type: TYPE_FP32 dims: -1 }
output { name: "y" data_type: TYPE_FP32 dims: -1 }
"""


def ensemble(*models: str) -> str:
    """The configuration of an ensemble that hands ``x`` from model to model; the last one's ``y`` is its ``y``."""
    values = ["x", *(f"value_{number}" for number in range(1, len(models))), "y"]
    steps = [
        f'step {{ model_name: "{model}" model_version: -1 input_map {{ key: "x" value: "{values[number]}" }} '
        f'output_map {{ key: "y" value: "{values[number + 1]}" }} }}\n'
        for number, model in enumerate(models)
    ]
    return f'platform: "ensemble"\n{_TENSORS}ensemble_scheduling {{\n{"".join(steps)}}}\n'


def of_backend(backend: str, more: str = "") -> str:
    """The configuration of a model that a backend runs."""
    return f'backend: "{backend}"\n{_TENSORS}{more}'


def write(repository: Path, name: str, config: str, versions: Sequence[str] = ("1",)) -> Path:
    """Write one model; its folder."""
    folder = repository / name
    for version in versions:
        (folder / version).mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.pbtxt").write_text(config)
    return folder


def install_model(site: Path, name: str, result: str, calls: Sequence[str] = ()) -> None:
    """The distribution ``acme-NAME`` with the plugin and model ``name``, which returns ``result`` of ``x``."""
    source = _MODEL.format(name=name, result=result, calls=list(calls))
    install(site, f"acme-{name}", {MODELS_GROUP: {name: f"acme_{name}"}}, **{f"acme_{name}": source})


def install_repository(site: Path, name: str) -> Path:
    """The distribution ``acme-NAME``, whose package would fail to import; the folder of its repository."""
    install(site, f"acme-{name}", {REPOSITORIES_GROUP: {name: f"acme_{name}.models"}})
    folder = site / f"acme_{name}" / "models"
    folder.mkdir(parents=True)
    (site / f"acme_{name}" / "__init__.py").write_text("raise SystemExit('imported')\n")
    return folder
