"""The model repository on disk, and each model's configuration: Triton's part and the backend's."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytriton_plugins.config.mappings import merge
from pytriton_plugins.errors import ServerError
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.sequence import Sequence, direct_instances
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.shm.declaration import QueuePolicy

BACKEND = "pytriton"
CATEGORY = "model-repository"
"""The category of `--allow` that lets clients load and unload models."""

GATES = ("pytriton_gate", "pytriton_gate_2")
"""Models of our backend that fail to load while the daemon is not ready: Triton's own readiness follows them."""

MODEL_NUMBERS = itertools.count(1)
"""The number of each model in the backend, which is used once."""

SPARE_INSTANCES = 2
"""Instances beside one for each channel, for threads that wait for a worker or fetch requests (backend/queue.c)."""

SPARE_SLOTS = 1024
"""Slots of Triton's sequence batcher beside four for each live sequence."""

OURS = (
    *("name", "backend", "version_policy", "input", "output", "instance_group", "model_transaction_policy"),
    "sequence_batching",
)
"""Keys of a model's configuration that hook plugins cannot change: the daemon relies on them."""

NOT_FOR_TRITON = ("model_warmup",)
"""Keys of a ``triton_config`` that workers implement (worker/calling/warmup.py)."""

_BACKEND_BATCHING = ("default_queue_policy", "preferred_batch_size", "max_queue_delay_microseconds")
"""Keys of ``dynamic_batching`` that the backend implements where it limits the queue."""

_QUEUE_LIMITS = {"max_queue_size", "default_timeout_microseconds", "allow_timeout_override", "timeout_action"}

_GATE_CONFIG = f"""backend: "{BACKEND}"
max_batch_size: 0
input {{ name: "none" data_type: TYPE_UINT8 dims: 1 }}
output {{ name: "none" data_type: TYPE_UINT8 dims: 1 }}
instance_group {{ count: 1 kind: KIND_CPU }}
"""


def create_repository(folder: Path) -> None:
    """Create a repository with the gates only; models are loaded by the control API, with their configuration."""
    for gate in GATES:
        (folder / gate / "1").mkdir(parents=True, exist_ok=True)
        config, text = folder / gate / "config.pbtxt", f'name: "{gate}"\n{_GATE_CONFIG}'
        if not config.is_file() or config.read_text() != text:  # the disk may be full when the next server starts
            config.write_text(text)


def write_config(folder: Path, name: str, config: dict[str, Any]) -> None:
    """Write a model's configuration for clients that may load it again: they send none.

    Raises ServerError when it cannot be written; Triton reports mistakes in the configuration at the load.
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
    """Create the empty folders that Triton expects of a model and its version."""
    (folder / model.name / str(model.version)).mkdir(parents=True, exist_ok=True)


def write_labels(folder: Path, model: ModelDeclaration) -> None:
    """Write the files of labels that the model's configuration names; raises ServerError if that is not possible."""
    for index, tensor in enumerate(model.outputs):
        try:
            if tensor.labels:
                (folder / model.name / _label_file(index)).write_text("\n".join(tensor.labels) + "\n", encoding="utf-8")
        except OSError as error:
            reason = f"{error.strerror}; make room in {folder}"
            raise ServerError(f"the labels of output {tensor.name} cannot be written: {reason}") from None


def model_config(model: ModelDeclaration, batches: int, versions: tuple[int, ...]) -> dict[str, Any]:
    """Triton's configuration of ``model`` as a JSON value; ``model.triton_config`` overrides ours.

    ``batches``: the most that its workers can run at a time.
    """
    theirs = {key: value for key, value in for_triton(model).items() if key not in NOT_FOR_TRITON}
    return merge(_our_config(model, batches, versions), theirs)


def own_policy(model: ModelDeclaration) -> QueuePolicy:
    """The part of the batching that the backend implements: limits of the queue, and with a limit also delays.

    Triton would count the requests in its own queue, and not those that the backend has fetched for the next batch.
    The policy is empty without a limit, with priorities, which only Triton implements, and with a mistake, which Triton
    reports.
    """
    batching = _batching(model.triton_config)
    limits = batching.get("default_queue_policy", {})
    if not isinstance(limits, Mapping) or _needs_triton(batching, limits):
        return QueuePolicy()
    size, timeout = limits.get("max_queue_size", 0), limits.get("default_timeout_microseconds", 0)
    own_timeouts = limits.get("allow_timeout_override", False)
    delay, preferred = batching.get("max_queue_delay_microseconds", 0), batching.get("preferred_batch_size", ())
    numbers_are_right = all(_is_count(number) for number in (size, timeout, delay)) and isinstance(own_timeouts, bool)
    if not numbers_are_right or not (size or timeout) or not _are_sizes(preferred, model.max_batch_size):
        return QueuePolicy()
    return QueuePolicy(size, timeout / 1e6, own_timeouts, delay / 1e6, tuple(sorted(set(preferred))))


def for_triton(model: ModelDeclaration) -> dict[str, Any]:
    """The ``triton_config`` without the part of the backend; without a batcher if nothing else is left."""
    config = model.triton_config
    if own_policy(model) == QueuePolicy():
        return dict(config)
    batching = {key: value for key, value in config["dynamic_batching"].items() if key not in _BACKEND_BATCHING}
    others = {key: value for key, value in config.items() if key != "dynamic_batching"}
    return {**others, "dynamic_batching": batching} if batching else others


def _needs_triton(batching: Mapping[str, Any], limits: Mapping[str, Any]) -> bool:
    has_priorities = bool(batching.get("priority_levels") or batching.get("priority_queue_policy"))
    return has_priorities or not set(limits) <= _QUEUE_LIMITS or limits.get("timeout_action", "REJECT") != "REJECT"


def _batching(config: Mapping[str, Any]) -> Mapping[str, Any]:
    batching = config.get("dynamic_batching")
    return batching if isinstance(batching, Mapping) else {}


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**32


def _are_sizes(value: object, max_size: int) -> bool:
    return isinstance(value, (list, tuple)) and all(type(size) is int and 1 <= size <= max_size for size in value)


def plain_config(model: ModelDeclaration) -> dict[str, Any]:
    """A configuration of ``model`` that Triton accepts: without its author's ``triton_config``, and without files."""
    config = _our_config(model, 1, (model.version,))
    return {**config, "output": [_tensor(tensor) for tensor in model.outputs]}


def _our_config(model: ModelDeclaration, batches: int, versions: tuple[int, ...]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "name": model.name,
        "backend": BACKEND,
        "max_batch_size": model.max_batch_size,
        "version_policy": {"specific": {"versions": list(versions)}},
        "input": [_input(tensor) for tensor in model.inputs],
        "output": [_output(index, tensor) for index, tensor in enumerate(model.outputs)],
        "instance_group": [{"count": _instances(model, batches), "kind": "KIND_CPU"}],
    }
    if model.sequence is not None:
        config["sequence_batching"] = _sequence_batching(model.sequence, _instances(model, batches))
    return {**config, "model_transaction_policy": {"decoupled": True}} if model.streams else config


def _instances(model: ModelDeclaration, batches: int) -> int:
    count = batches + SPARE_INSTANCES
    if model.sequence is None or model.sequence.strategy == "oldest":
        return count
    return max(count, direct_instances(model.sequence, model.max_batch_size))


def _sequence_batching(sequence: Sequence, instances: int) -> dict[str, Any]:
    """With more slots than live sequences, so that the backend answers the start of one too many.

    A sequence that the backend has refused has its slot until Triton finds it idle.
    """
    idle = {"max_sequence_idle_microseconds": math.ceil(sequence.max_idle * 1e6)}
    if sequence.strategy == "direct":
        return {**idle, "direct": {}}
    slots = math.ceil((SPARE_SLOTS + 4 * sequence.max_live) / instances)
    return {**idle, "oldest": {"max_candidate_sequences": slots}}


def _input(tensor: Tensor) -> dict[str, Any]:
    image = {"format": f"FORMAT_{tensor.format}"} if tensor.format else {}
    return {**_tensor(tensor), **image, **({"optional": True} if tensor.optional else {})}


def _output(index: int, tensor: Tensor) -> dict[str, Any]:
    return {**_tensor(tensor), **({"label_filename": _label_file(index)} if tensor.labels else {})}


def _label_file(index: int) -> str:
    """In the model's folder; an output's name may hold what no file's name can."""
    return f"labels-{index}.txt"


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "data_type": tensor.dtype.config, "dims": list(tensor.wire_shape)}
