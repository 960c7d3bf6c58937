"""Triton's python backend, with the same server binary."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.cache import Cache
from benchmarks.servers.models import DataType, Model, Models
from benchmarks.servers.server import Place, Server, plain_environment

CONFIG = """\
name: "{name}"
backend: "python"
max_batch_size: 64
dynamic_batching {{}}
instance_group [{{ kind: KIND_CPU, count: 1 }}]
input [{inputs}]
output [{outputs}]
"""


def start_python_backend(cache: Cache, models: Models, place: Place) -> Server:
    """A tritonserver with one `model.py` for each model."""
    cache.needs(cache.python_backend_stub)
    repository = place.folder / "models"
    for model in models.models:
        write_model(repository / model.name, model)
    command = [
        str(cache.needs(cache.tritonserver)),
        f"--model-repository={repository}",
        f"--backend-directory={cache.backends}",
        *("--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--metrics-address=127.0.0.1"),
        *(f"--http-port={place.http}", f"--grpc-port={place.grpc}", f"--metrics-port={place.metrics}"),
    ]
    # The stub ignores PYTHONPATH and takes its library and numpy from the first python3 on PATH.
    programs = cache.needs(cache.pytriton_python).parent
    environment = plain_environment(PATH=f"{programs}:/usr/bin:/bin", LD_LIBRARY_PATH=str(cache.libraries))
    return Server("python backend", command, environment, place, models.names, cache.tritonserver)


def write_model(folder: Path, model: Model) -> None:
    """One model of a repository: its configuration and its code."""
    version = folder / "1"
    version.mkdir(parents=True)
    shutil.copyfile(model.source("python_backend"), version / "model.py")
    inputs, outputs = (_tensors(side, model.data_type) for side in (model.inputs, model.outputs))
    (folder / "config.pbtxt").write_text(CONFIG.format(name=folder.name, inputs=inputs, outputs=outputs))


def _tensors(names: tuple[str, ...], data_type: DataType) -> str:
    triton = {"FP32": "TYPE_FP32", "BYTES": "TYPE_STRING", "INT64": "TYPE_INT64"}[data_type]
    return ", ".join(f'{{ name: "{name}", data_type: {triton}, dims: [-1] }}' for name in names)
