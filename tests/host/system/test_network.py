"""The address that the daemon listens on, its form in URLs and options, and the ports that are served."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc

from pytriton_plugins.errors import ConfigError
from pytriton_plugins.host.system.network import (
    _is_ours,
    called_at,
    host_port,
    http_option,
    is_loopback,
    listening_address,
    listening_ports,
    served_address,
)
from pytriton_plugins.testing import RunningHost, run_host
from pytriton_plugins.values import Ports
from tests.support.paths import MODELS
from tests.support.traffic.clients import asked_inputs

SCALARS = f"{MODELS / 'kinds.py'}:scalars"
NO_HTTP = "--server-option=allow-http=false"
NO_METRICS = "--server-option=allow-metrics=off"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("::", "::"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("::1%lo", "::1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        # Most machines have ::1 for it as well.
        ("localhost", "127.0.0.1"),
        ("fe80::1%lo", "fe80::1%lo"),
    ],
)
def test_the_address_to_listen_on(name: str, address: str) -> None:
    assert listening_address(name) == address


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("::::", "address ::::: Name or service not known; write an address of this machine, such as 127.0.0.1 or ::1"),
        ("fe80::1", "address fe80::1: a link-local address needs its interface; write for example fe80::1%eth0"),
        (
            "fe80::1%lo",
            "address fe80::1%lo: only tritonserver's gRPC can listen on a link-local address; write :: or another "
            "address, or leave HTTP and metrics out with --server-option allow-http=false and --server-option "
            "allow-metrics=false",
        ),
        # Python refuses to look for this at all.
        (
            "a..b",
            "address a..b: not the name of a machine; write an address of this machine, such as 127.0.0.1 or ::1",
        ),
    ],
)
def test_an_address_that_cannot_be_listened_on_is_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        served_address(name, ())
    assert str(raised.value) == message


def test_a_link_local_address_for_grpc() -> None:
    options = (("allow-http", "0"), ("allow-metrics", "OFF"))
    assert served_address("fe80::1%lo", options) == "fe80::1%lo"


@pytest.mark.parametrize(
    ("address", "url", "option"),
    [
        ("0.0.0.0", "127.0.0.1:8000", "0.0.0.0"),
        ("10.0.0.7", "10.0.0.7:8000", "10.0.0.7"),
        ("::", "[::1]:8000", "ipv6:::"),
        ("fd00::2", "[fd00::2]:8000", "ipv6:fd00::2"),
    ],
)
def test_an_address_is_written_for_urls_and_options(address: str, url: str, option: str) -> None:
    assert (host_port(called_at(address), 8000), http_option(address)) == (url, option)


@pytest.mark.parametrize(
    ("address", "alone"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.7", False), ("fe80::1%eth0", False), ("model.example", False)],
)  # fmt: skip
def test_loopback_addresses_are_recognized(address: str, alone: bool) -> None:
    """An address is loopback only if no other machine can reach it."""
    assert is_loopback(address) is alone


def test_the_served_ports() -> None:
    """If an option of tritonserver is given twice, the last one counts."""
    options = (("allow-http", "false"), ("allow-metrics", "false"), ("allow-metrics", "1"))
    assert listening_ports(options, Ports(1, 2, 3)) == {"http": None, "grpc": 2, "metrics": 3}


def ask(host: RunningHost, address: str) -> None:
    """Both protocols and the metrics answer at the address."""
    x = {"x": np.array([[2.0]])}
    with tritonclient.grpc.InferenceServerClient(f"[{address}]:{host.ports[1]}") as client:
        assert client.infer("scalars", asked_inputs(tritonclient.grpc, x)).as_numpy("product") == 20
    for port, path in ((host.ports[0], "/v2/health/ready"), (host.ports[2], "/metrics")):
        connection = http.client.HTTPConnection(address, port, timeout=60)
        connection.request("GET", path)
        assert connection.getresponse().status == 200
        connection.close()


@pytest.mark.parametrize("address", ["::1", "::"])
def test_ipv6(address: str) -> None:
    with run_host(SCALARS, options=[f"--address={address}"], ready=False) as host:
        host.wait_settled()
        ask(host, "::1")
        http_port, grpc_port, metrics_port = host.ports
        assert f"HTTP http://[::1]:{http_port}   gRPC [::1]:{grpc_port}   metrics http://[::1]:{metrics_port}/" in (
            host.output
        )
        assert f"curl -s http://[::1]:{http_port}/v2/models/scalars/" in host.output
        assert f" --url [::1]:{grpc_port}\n" in host.output
        assert host.stop() == 0


def test_a_port_that_is_taken_on_ipv6() -> None:
    """A port in use on IPv6 ends the start with an error."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        options = ["--address=::1", f"--http-port={port}"]
        with run_host(SCALARS, options=options, ready=False) as host:
            assert host.process.wait(60) == 1
            (line,) = [line for line in host.log.splitlines() if line.startswith("pytriton-host: ")]
    assert line.startswith(f"pytriton-host: http port {port} on ::1 is in use")


def test_without_http_and_metrics() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = [NO_HTTP, NO_METRICS, f"--http-port={taken.getsockname()[1]}"]
        with run_host(SCALARS, options=options, ready=False) as host:
            host.wait_settled()
            _, grpc_port, _ = host.ports
            assert f"\ngRPC 127.0.0.1:{grpc_port}\n" in host.output
            assert "http://" not in host.output
            with tritonclient.grpc.InferenceServerClient(host.grpc) as client:
                inputs = asked_inputs(tritonclient.grpc, {"x": np.array([[2.0]])})
                assert client.infer("scalars", inputs).as_numpy("product") == 20
            assert host.stop() == 0


def test_our_own_init_is_recognized(tmp_path: Path) -> None:
    """The parent process is our own init only if its command line names pytriton."""
    command = tmp_path / "cmdline"
    assert not _is_ours(command)
    command.write_bytes(b"/sbin/init\0")
    assert not _is_ours(command)
    command.write_bytes(b"/usr/bin/python3\0/usr/bin/pytriton-host\0serve\0")
    assert _is_ours(command)
