"""The model repository on disk and each model's configuration; runs in the host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytriton_plugins.config.mappings import merge
from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.triton.queue_policy import for_triton
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor

BACKEND = "pytriton"
CATEGORY = "model-repository"
"""What `--allow` calls the right of clients to load and unload models."""

GATES = ("pytriton_gate", "pytriton_gate_2")
"""Models of our backend that fail to load while the host is not ready: Triton's own readiness follows them."""

SPARE_INSTANCES = 2
"""Beside one for each worker, whose threads run batches: threads that wait for a worker or fetch (backend/queue.c)."""

OURS = ("name", "backend", "version_policy", "input", "output", "instance_group", "model_transaction_policy")
"""Keys of a model's configuration that no hook plugin changes: the daemon relies on them."""

NOT_FOR_TRITON = ("model_warmup",)
"""Keys of a ``triton_config`` that workers see to (worker/calling/warmup.py)."""

_GATE_CONFIG = f"""backend: "{BACKEND}"
max_batch_size: 0
input {{ name: "none" data_type: TYPE_UINT8 dims: 1 }}
output {{ name: "none" data_type: TYPE_UINT8 dims: 1 }}
instance_group {{ count: 1 kind: KIND_CPU }}
"""


def create_repository(folder: Path) -> None:
    """A repository that holds the gates only; models come by the control API, with their configuration in the call."""
    for gate in GATES:
        (folder / gate / "1").mkdir(parents=True, exist_ok=True)
        config, text = folder / gate / "config.pbtxt", f'name: "{gate}"\n{_GATE_CONFIG}'
        if not config.is_file() or config.read_text() != text:  # the next server may come when the disk is full
            config.write_text(text)


def write_config(folder: Path, name: str, config: dict[str, Any]) -> None:
    """The configuration that the model is loaded with, for clients that may load it again: they bring none.

    Raises ServerError when it cannot be written; what is wrong with the configuration itself Triton says at the load.
    """
    from google.protobuf import json_format, text_format
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    try:
        text = text_format.MessageToString(json_format.ParseDict(config, ModelConfig()))
        (folder / name / "config.pbtxt").write_text(text)
    except json_format.ParseError:
        pass
    except OSError as error:
        raise ServerError(f"its configuration cannot be written: {error.strerror}; make room in {folder}") from None


def add_model(folder: Path, model: ModelDeclaration) -> None:
    """The empty folders that Triton wants to see of a model and its version."""
    (folder / model.name / str(model.version)).mkdir(parents=True, exist_ok=True)


def model_config(model: ModelDeclaration, batches: int, versions: tuple[int, ...]) -> dict[str, Any]:
    """Triton's configuration of ``model`` as a JSON value; ``model.triton_config`` goes over ours.

    ``batches``: how many its workers have in flight at most.
    """
    theirs = {key: value for key, value in for_triton(model).items() if key not in NOT_FOR_TRITON}
    return merge(_our_config(model, batches, versions), theirs)


def plain_config(model: ModelDeclaration) -> dict[str, Any]:
    """A configuration of ``model`` that Triton does not refuse, whatever its author wrote into ``triton_config``."""
    return _our_config(model, 1, (model.version,))


def _our_config(model: ModelDeclaration, batches: int, versions: tuple[int, ...]) -> dict[str, Any]:
    config = {
        "name": model.name,
        "backend": BACKEND,
        "max_batch_size": model.max_batch_size,
        "version_policy": {"specific": {"versions": list(versions)}},
        "input": [_tensor(tensor) for tensor in model.inputs],
        "output": [_tensor(tensor) for tensor in model.outputs],
        "instance_group": [{"count": batches + SPARE_INSTANCES, "kind": "KIND_CPU"}],
    }
    return {**config, "model_transaction_policy": {"decoupled": True}} if model.streams else config


def _tensor(tensor: Tensor) -> dict[str, Any]:
    described: dict[str, Any] = {"name": tensor.name, "data_type": tensor.dtype.config, "dims": list(tensor.wire_shape)}
    return {**described, "optional": True} if tensor.optional else described
