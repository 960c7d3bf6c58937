"""The errors of connections, the same for both protocols."""

from __future__ import annotations

from pytriton_plugins.client.address import Address
from pytriton_plugins.client.errors import DeadlineExceeded, RequestCancelled, Unavailable, Unsupported, WrongServer
from pytriton_plugins.text import one_line


def subject(address: Address, model: str) -> str:
    """The beginning of a message: the model, or the server."""
    return f"model {one_line(model)}" if model else str(address)


def unreachable(address: Address, details: str, model: str) -> Unavailable:
    """No connection could be made, so nothing was sent."""
    hint = "check the address, or start the server"
    return Unavailable(f"{address}: no server answers ({_short(details)}); {hint}", "", model)


def wrong_server(address: Address, details: str, model: str) -> WrongServer:
    """Something else answers, or the two do not agree on TLS."""
    name, other = ("gRPC", "http") if address.protocol == "grpc" else ("HTTP", "grpc")
    hint = f"write {other}:// if that is the other port, or {address.protocol}s:// for a server with TLS"
    if address.secure:
        hint = f"check the certificates (tls_ca=), or write {address.protocol}:// for a server without TLS"
    return WrongServer(f"{address}: no Triton answers there over {name} ({_short(details)}); {hint}", "", model)


def lost(address: Address, details: str, model: str) -> Unavailable:
    """A connection broke: whether the request was run is not known."""
    return Unavailable(
        f"{subject(address, model)}: the connection to {address} was lost ({_short(details)}); "
        "the request may have run, so it was not sent again",
        "",
        model,
    )


def late(address: Address, timeout: float, model: str) -> DeadlineExceeded:
    """No response within the timeout."""
    hint = "pass a longer timeout="
    return DeadlineExceeded(
        f"{subject(address, model)}: no response from {address} within {timeout:g} s; {hint}", "", model
    )


def invalid_response(address: Address, error: Exception, model: str) -> WrongServer:
    """The response is not what the protocol says."""
    return WrongServer(
        f"{subject(address, model)}: invalid response from {address} ({type(error).__name__}: {_short(str(error))}); "
        "check that a Triton answers there",
        "",
        model,
    )


def closed_meanwhile(address: Address, model: str) -> RequestCancelled:
    """The client was closed while the request ran."""
    return RequestCancelled(f"{subject(address, model)}: the client was closed before the response came", "", model)


def not_installed(module: str, extra: str) -> Unsupported:
    """A library of the protocol is missing."""
    return Unsupported(f"{module} is not installed, which the URL needs; run: pip install '{extra}', or write grpc://")


def _short(details: str) -> str:
    return one_line(details.rpartition("last error: ")[2], 200)
