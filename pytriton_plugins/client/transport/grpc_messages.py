"""Requests, responses and errors of gRPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytriton_plugins.client.address import Address
from pytriton_plugins.client.description import ModelInfo, model_info
from pytriton_plugins.client.errors import ClientError, error_of
from pytriton_plugins.client.request import Parameter, Request, Result, sent_parameters
from pytriton_plugins.client.transport.failures import late, lost, subject, unreachable, wrong_server
from pytriton_plugins.client.transport.tensor_bytes import to_array, to_bytes
from pytriton_plugins.text import one_line

ERROR_HEADER = ("triton_grpc_error", "true")
"""With it Triton ends a stream with the code of its error; otherwise the message has the text only."""

_CODES = {"INVALID_ARGUMENT": "INVALID_ARG", "UNIMPLEMENTED": "UNSUPPORTED", "DATA_LOSS": "INTERNAL"}
_NOT_SENT = ("failed to connect", "errors resolving", "DNS resolution failed", "connections to all backends failing")
"""How gRPC's details begin when there was no connection to send on."""

_NOT_GRPC = ("Socket closed", "http1.x server", "andshake failed")
"""In the details where something else answers: HTTP, or TLS where the URL has none."""

_LOST = ("Socket closed", "Stream removed", "Connection reset", "Broken pipe", "GOAWAY", "recvmsg", "keepalive")


def channel_options(connect_timeout: float) -> list[tuple[str, int]]:
    """The arguments of a channel: messages of any size, and short waits between attempts to connect."""
    milliseconds = max(1, int(connect_timeout * 1000))
    return [
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", milliseconds),
        ("grpc.max_reconnect_backoff_ms", 1000),
        # Otherwise a channel inherits the back-off of another one to the same address.
        ("grpc.use_local_subchannel_pool", 1),
    ]


def encode(request: Request) -> Any:
    """The message ``ModelInferRequest``."""
    from tritonclient.grpc import service_pb2

    message = service_pb2.ModelInferRequest(model_name=request.model, model_version=request.version, id=request.id)
    for name, (datatype, array) in request.inputs.items():
        message.inputs.add(name=name, datatype=datatype, shape=array.shape)
        message.raw_input_contents.append(to_bytes(array))
    for name in request.outputs:
        message.outputs.add(name=name)
    for name, value in sent_parameters(request).items():
        _set(message.parameters[name], name, value)
    return message


def _set(field: Any, name: str, value: Parameter) -> None:
    if isinstance(value, bool):
        field.bool_param = value
    elif isinstance(value, str):
        field.string_param = value
    elif isinstance(value, float):
        field.double_param = value
    elif name == "priority" or value >= 2**63:
        field.uint64_param = value
    else:
        field.int64_param = value


def decode(message: Any) -> Result:
    """The result of a ``ModelInferResponse``; raises ValueError if it is not valid."""
    outputs = {
        item.name: to_array(item.datatype, tuple(item.shape), content)
        for item, content in zip(message.outputs, message.raw_output_contents, strict=True)
    }
    parameters = _parameters(message.parameters)
    return Result(outputs, message.model_name, message.model_version, message.id, parameters)


def decode_streamed(message: Any, model: str) -> Result | None:
    """The result in a message of a stream, None if it has no outputs; raises the error of a server without codes."""
    if message.error_message:
        raise error_of("UNKNOWN", f"model {one_line(model)}: {one_line(message.error_message, 4000)}", model)
    response = message.infer_response
    is_last = response.parameters["triton_final_response"].bool_param
    return None if is_last and not response.outputs else decode(response)


def _parameters(fields: Mapping[str, Any]) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for name, field in fields.items():
        kind = field.WhichOneof("parameter_choice")
        if kind and name != "triton_final_response":
            found[name] = getattr(field, kind)
    return found


def info_of(metadata: Any, config: Any) -> ModelInfo:
    """The model of both messages."""
    from google.protobuf.json_format import MessageToDict

    as_dicts = (MessageToDict(each, preserving_proto_field_name=True) for each in (metadata, config.config))
    return model_info(*as_dicts)


def is_unsent(error: Any) -> bool:
    """Whether a call failed before anything was sent."""
    return error.code().name == "UNAVAILABLE" and str(error.details()).startswith(_NOT_SENT)


def client_error(error: Any, address: Address, model: str, timeout: float | None) -> ClientError:
    """The error for an ``RpcError``; ``timeout`` are the seconds that the caller gave."""
    name, details = error.code().name, one_line(error.details() or "no details", 4000)
    if is_unsent(error):
        other = any(each in details for each in _NOT_GRPC)
        return wrong_server(address, details, model) if other else unreachable(address, details, model)
    if name == "DEADLINE_EXCEEDED" and timeout is not None:
        return late(address, timeout, model)
    if name == "UNAVAILABLE" and any(each in details for each in _LOST):
        return lost(address, details, model)
    return error_of(_CODES.get(name, name), f"{subject(address, model)}: {details}", model)
