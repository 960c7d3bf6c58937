"""What a server says about a model: its tensors, batch size and form."""

from __future__ import annotations

from typing import Any

import attrs

from pytriton_plugins.text import first_few, one_line

_MAX_LISTED = 12


@attrs.frozen
class TensorInfo:
    """One input or output; ``shape`` has no batch axis, -1 is any length."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool = False


@attrs.frozen
class ModelInfo:
    """A model as the server describes it.

    ``max_batch_size``: rows of a request at most; 0 if its tensors have no batch axis.
    ``streams``: one request has any number of responses (decoupled). ``sequences``: each request belongs to one.
    """

    name: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...] = ()
    max_batch_size: int = 0
    streams: bool = False
    sequences: bool = False

    @property
    def batched(self) -> bool:
        """Whether the tensors of requests and responses have a batch axis in front of their shapes."""
        return self.max_batch_size > 0

    def wire_shape(self, tensor: TensorInfo) -> tuple[int, ...]:
        """The shape of ``tensor`` in a request, with the batch axis."""
        return (-1, *tensor.shape) if self.batched else tensor.shape

    def described(self, tensors: tuple[TensorInfo, ...]) -> str:
        """``tensors`` as they are sent, such as ``x (FP32 [-1, 3], optional)``; the first twelve."""
        return first_few([self._described(each) for each in tensors], _MAX_LISTED) if tensors else "nothing"

    def __str__(self) -> str:
        streamed = " in each response of a stream" if self.streams else ""
        inputs, outputs = self.described(self.inputs), self.described(self.outputs)
        return f"{one_line(self.name)}: {inputs} -> {outputs}{streamed}"

    def _described(self, tensor: TensorInfo) -> str:
        optional = ", optional" if tensor.optional else ""
        return f"{one_line(tensor.name)} ({one_line(tensor.datatype)} {list(self.wire_shape(tensor))}{optional})"


def model_info(metadata: dict[str, Any], config: dict[str, Any]) -> ModelInfo:
    """The model of Triton's metadata and configuration, which are JSON; raises KeyError, TypeError or ValueError."""
    size = int(config.get("max_batch_size", 0))
    optional = {item["name"] for item in config.get("input", []) if item.get("optional")}
    streams = bool(config.get("model_transaction_policy", {}).get("decoupled"))
    inputs, outputs = (
        tuple(_tensor(item, size > 0, optional) for item in metadata.get(side, [])) for side in ("inputs", "outputs")
    )
    return ModelInfo(str(metadata["name"]), inputs, outputs, size, streams, bool(config.get("sequence_batching")))


def _tensor(item: dict[str, Any], batched: bool, optional: set[str]) -> TensorInfo:
    shape = tuple(int(dim) for dim in item.get("shape", []))[batched:]
    return TensorInfo(item["name"], item["datatype"], shape, item["name"] in optional)
