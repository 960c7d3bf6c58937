"""A gRPC channel to a server, for both kinds of client."""

from __future__ import annotations

from typing import Any

from pytriton_plugins.client.address import Address
from pytriton_plugins.client.transport.connection import ConnectionOptions, read_pem
from pytriton_plugins.client.transport.grpc_messages import channel_options


def open_channel(address: Address, options: ConnectionOptions, *, asynchronous: bool) -> tuple[Any, Any]:
    """The channel and tritonclient's stub on it; it connects at the first call. Raises InvalidUrl."""
    import grpc
    import grpc.aio
    from tritonclient.grpc import service_pb2_grpc

    module = grpc.aio if asynchronous else grpc
    arguments = channel_options(options.connect_timeout)
    if address.secure:
        files = map(read_pem, (options.tls_ca, options.tls_key, options.tls_cert))
        channel = module.secure_channel(address.target, grpc.ssl_channel_credentials(*files), options=arguments)
    else:
        channel = module.insecure_channel(address.target, options=arguments)
    return channel, service_pb2_grpc.GRPCInferenceServiceStub(channel)
