"""Reads a model's configuration, and checks what must hold before Triton gets it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pytriton_plugins.errors import PytritonPluginsError, ServerError
from pytriton_plugins.host.repositories.folders import CONFIG
from pytriton_plugins.host.repositories.found import Step
from pytriton_plugins.host.triton.grpc_import import no_fork_handlers
from pytriton_plugins.host.triton.repository import BACKEND
from pytriton_plugins.model.declaration import ModelDeclaration, wrong_name
from pytriton_plugins.model.tensors import Tensor, dtype_by_triton_name
from pytriton_plugins.text import one_line

if TYPE_CHECKING:
    from tritonclient.grpc.model_config_pb2 import ModelConfig

ENSEMBLE = "ensemble"
_BACKEND = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
_PLATFORMS = {
    "tensorflow_graphdef": "tensorflow",
    "tensorflow_savedmodel": "tensorflow",
    "tensorrt_plan": "tensorrt",
    "onnxruntime_onnx": "onnxruntime",
    "pytorch_libtorch": "pytorch",
}
"""Platforms, the older word for a backend and its format, and their backends."""


def parsed(text: str, name: str) -> ModelConfig:
    """The configuration in ``text`` of the model in the folder ``name``; raises ServerError."""
    with no_fork_handlers():  # imported here, because few daemons have a repository and the import takes long
        from google.protobuf import text_format
        from tritonclient.grpc.model_config_pb2 import ModelConfig

    config = ModelConfig()
    try:
        text_format.Parse(text, config)
    except text_format.ParseError as error:
        raise ServerError(f"{CONFIG}: {one_line(error, 300)}; correct it") from None
    if config.name not in ("", name):
        raise ServerError(f"{CONFIG}: name is {one_line(repr(config.name), 80)}, but the folder is {name}; remove name")
    config.name = name
    return config


def as_json(config: ModelConfig) -> dict[str, Any]:
    """The configuration as Triton takes it in a load."""
    from google.protobuf import json_format

    plain: dict[str, Any] = json_format.MessageToDict(config, preserving_proto_field_name=True)
    return plain


def backend_of(config: Mapping[str, Any]) -> str:
    """The backend's name, ``ensemble`` for an ensemble; raises ServerError for one that no repository may have."""
    platform, backend = config.get("platform", ""), config.get("backend", "")
    if platform == ENSEMBLE:
        if backend:  # Triton would take it instead of the ensemble
            names = f"it names {one_line(repr(backend), 80)}"
            raise ServerError(f"{CONFIG}: an ensemble has no backend, but {names}; remove backend")
        return ENSEMBLE
    backend = backend or _PLATFORMS.get(platform, "")
    if not backend:
        raise ServerError(f"{CONFIG}: it names neither a backend nor a platform of Triton; write backend or platform")
    if not _BACKEND.fullmatch(backend):
        raise ServerError(f"{CONFIG}: invalid backend {one_line(repr(backend), 80)}: expected a name, not a path")
    if backend == BACKEND:
        raise ServerError(
            f"{CONFIG}: backend {BACKEND} is the daemon's own; serve the plugin that has the model instead"
        )
    return str(backend)


def check_files(config: Mapping[str, Any]) -> None:
    """Raises ServerError for a file that the configuration looks for outside of the model's folder."""
    for key, value in _files(config):
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts:
            raise ServerError(
                f"{CONFIG}: {key}: {one_line(repr(value), 80)} is outside of the model's folder; move the file into it"
            )


def _files(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Key and value of everything that Triton reads as a path relative to the model's folder."""
    for key in ("default_model_filename", "runtime"):
        yield key, config.get(key, "")
    for value in config.get("cc_model_filenames", {}).values():
        yield "cc_model_filenames", value
    for output in config.get("output", []):
        yield "label_filename", output.get("label_filename", "")
    for value in config.get("model_operations", {}).get("op_library_filename", []):
        yield "op_library_filename", value
    for sample in config.get("model_warmup", []):
        for tensor in sample.get("inputs", {}).values():
            yield "input_data_file", tensor.get("input_data_file", "")
    for state in config.get("sequence_batching", {}).get("state", []):
        for initial in state.get("initial_state", []):
            yield "data_file", initial.get("data_file", "")
    for agent in config.get("model_repository_agents", {}).get("agents", []):
        yield "model_repository_agents", agent.get("name", "")


def check_tensor_names(config: Mapping[str, Any]) -> None:
    """Raises ServerError for an input or output without a name."""
    for side in ("input", "output"):
        if not all(tensor.get("name") for tensor in config.get(side, [])):
            raise ServerError(f"{CONFIG}: an {side} has no name; write name")


def steps_of(config: Mapping[str, Any]) -> tuple[Step, ...]:
    """The models that an ensemble names, each once; raises ServerError for a name that no model can have."""
    steps = config.get("ensemble_scheduling", {}).get("step", [])
    if not steps:
        raise ServerError(f"{CONFIG}: the ensemble names no model; write ensemble_scheduling {{ step {{ … }} }}")
    return tuple(dict.fromkeys(_step(each) for each in steps))


def _step(step: Mapping[str, Any]) -> Step:
    name, version = step.get("model_name", ""), int(step.get("model_version", 0))
    if problem := wrong_name(name):
        raise ServerError(f"{CONFIG}: ensemble_scheduling: {one_line(problem)}")
    return Step(name, max(0, version))


def served_versions(config: Mapping[str, Any], found: Sequence[int]) -> tuple[int, ...]:
    """Those of the versions ``found`` that the policy serves; raises ServerError for one that has no folder."""
    policy = config.get("version_policy", {})
    if "specific" in policy:
        wanted = sorted({int(each) for each in policy["specific"].get("versions", [])})
        missing = [each for each in wanted if each not in found]
        if missing or not wanted:
            names = ", ".join(map(str, missing)) or "no version"
            raise ServerError(f"{CONFIG}: version_policy names {names}, whose folder is missing; create it")
        return tuple(wanted)
    count = len(found) if "all" in policy else int(policy.get("latest", {}).get("num_versions", 1) or 1)
    return tuple(found[-count:])


def declared(config: Mapping[str, Any], version: int) -> ModelDeclaration | None:
    """The model's tensors as a plugin would declare them; None for what a plugin cannot declare."""
    try:
        inputs, outputs = (tuple(map(_tensor, config.get(side, []))) for side in ("input", "output"))
    except (PytritonPluginsError, ValueError, KeyError, TypeError):
        return None
    batch = config.get("max_batch_size", 0)
    return ModelDeclaration(config["name"], version, "function", config["name"], inputs, outputs, batch)


def _tensor(tensor: Mapping[str, Any]) -> Tensor:
    kind = str(tensor["data_type"]).removeprefix("TYPE_")  # a number where this tritonclient has no name for it
    dtype = dtype_by_triton_name("BYTES" if kind == "STRING" else kind, str)
    shape = tuple(int(dim) for dim in tensor.get("dims", []))
    return Tensor(tensor["name"], dtype, shape, optional=tensor.get("optional", False))
