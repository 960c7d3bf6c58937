"""Everything that is closed by default: calls, ports, files, sockets, core files (row 16)."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from pytriton_plugins.host.control.paths import CONTROL_SOCKET
from pytriton_plugins.testing import RunningHost, run_host
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import Mark, descendants

SCALARS = f"{MODELS / 'kinds.py'}:scalars"
REGION = "/v2/{kind}sharedmemory{region}/{verb}"

# Written from Triton's protocol extensions (shared memory, model repository, trace, logging), call by call.
HTTP_CALLS: dict[str, list[tuple[str, str]]] = {
    "shared-memory": [
        (method, REGION.format(kind=kind, region=region, verb=verb))
        for kind in ("system", "cuda")
        for method, region, verb in [
            ("GET", "", "status"),
            ("GET", "/region/a", "status"),
            ("POST", "/region/a", "register"),
            ("POST", "", "unregister"),
            ("POST", "/region/a", "unregister"),
        ]
    ],
    "model-repository": [
        ("POST", "/v2/repository/index"),
        ("POST", "/v2/repository/models/scalars/load"),
        ("POST", "/v2/repository/models/scalars/unload"),
        ("POST", "/v2/repository/models/pytriton_gate/load"),
        ("POST", "/v2/repository/some/index"),
        ("POST", "/v2/repository/some/models/scalars/load"),
        ("POST", "/v2/repository/some/models/scalars/unload"),
    ],
    "trace": [
        ("GET", "/v2/trace/setting"),
        ("POST", "/v2/trace/setting"),
        ("GET", "/v2/models/scalars/trace/setting"),
        ("POST", "/v2/models/scalars/trace/setting"),
    ],
    "logging": [("GET", "/v2/logging"), ("POST", "/v2/logging")],
}
GRPC_CALLS: dict[str, list[tuple[str, Any]]] = {
    "shared-memory": [
        ("SystemSharedMemoryStatus", service_pb2.SystemSharedMemoryStatusRequest(name="a")),
        ("SystemSharedMemoryRegister", service_pb2.SystemSharedMemoryRegisterRequest(name="a", key="/a", byte_size=8)),
        ("SystemSharedMemoryUnregister", service_pb2.SystemSharedMemoryUnregisterRequest(name="a")),
        ("CudaSharedMemoryStatus", service_pb2.CudaSharedMemoryStatusRequest(name="a")),
        ("CudaSharedMemoryRegister", service_pb2.CudaSharedMemoryRegisterRequest(name="a", byte_size=8)),
        ("CudaSharedMemoryUnregister", service_pb2.CudaSharedMemoryUnregisterRequest(name="a")),
    ],
    "model-repository": [
        ("RepositoryIndex", service_pb2.RepositoryIndexRequest()),
        ("RepositoryModelLoad", service_pb2.RepositoryModelLoadRequest(model_name="scalars")),
        ("RepositoryModelUnload", service_pb2.RepositoryModelUnloadRequest(model_name="scalars")),
    ],
    "trace": [
        ("TraceSetting", service_pb2.TraceSettingRequest()),
        ("TraceSetting", service_pb2.TraceSettingRequest(model_name="scalars")),
    ],
    "logging": [("LogSettings", service_pb2.LogSettingsRequest())],
}
TOKENS = ["", "x", "0" * 32]
"""Attempts without knowledge of the token; the first is without a header."""

OPEN_HTTP = [
    "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/scalars", "/v2/models/scalars/ready",
    "/v2/models/scalars/config", "/v2/models/scalars/stats",
]  # fmt: skip


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dir") / "run"


@pytest.fixture(scope="module")
def mark() -> Mark:
    return Mark()


@pytest.fixture(scope="module")
def host(run_dir: Path, mark: Mark) -> Iterator[RunningHost]:
    with run_host(SCALARS, options=[f"--run-dir={run_dir}"], env=mark.env) as running:
        running.wait_settled()
        yield running


def ask(host: RunningHost, method: str, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection(host.http, timeout=60)
    try:
        connection.request(method, path, "{}" if method == "POST" else None, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def http_headers(token: str) -> list[dict[str, str]]:
    """Both spellings of the header with the token; empty for None."""
    return [{"pytriton-host": token}, {"triton-grpc-protocol-pytriton-host": token}] if token else [{}]


def spellings(path: str) -> list[str]:
    """The path, and spellings of it that some servers treat as the same."""
    return [path, f"{path}?a=b", f"{path}#a", path.replace("/v2/", "//v2//"), path.replace("/v2/", "/v2/./"),
            path.replace("/v2/", "/v2/models/../"), path.replace("e", "%65"), path.upper(), f"{path}/"]  # fmt: skip


@pytest.mark.parametrize("category", HTTP_CALLS)
def test_closed_over_http(host: RunningHost, category: str) -> None:
    """Each call returns 403 with its documented method, and no other spelling works."""
    asked = 0
    for method, path in HTTP_CALLS[category]:
        for headers in [headers for token in TOKENS for headers in http_headers(token)]:
            assert ask(host, method, path, headers) == 403, (method, path, headers)
            asked += 1
        for spelling in spellings(path):
            for other in ("GET", "POST", "PUT", "DELETE"):
                assert ask(host, other, spelling, {}) in (400, 403, 404, 405), (other, spelling)
                asked += 1
    print(f"{category}: {asked} HTTP requests refused")


@pytest.mark.parametrize("category", GRPC_CALLS)
def test_closed_over_grpc(host: RunningHost, category: str) -> None:
    asked = 0
    with grpc.insecure_channel(host.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for name, request in GRPC_CALLS[category]:
            for headers in [headers for token in TOKENS for headers in http_headers(token)]:
                with pytest.raises(grpc.RpcError) as refused:
                    getattr(stub, name)(request, metadata=list(headers.items()), timeout=60)
                assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
                assert "This protocol is restricted" in refused.value.details()
                asked += 1
    print(f"{category}: {asked} gRPC calls refused")


def test_every_grpc_call_is_closed_or_meant_to_be_open() -> None:
    """The test fails if a newer protocol has another call."""
    service = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    closed = {name for calls in GRPC_CALLS.values() for name, _ in calls}
    assert {method.name for method in service.methods} - closed == {
        "ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer", "ModelStreamInfer",
        "ModelConfig", "ModelStatistics",
    }  # fmt: skip


@pytest.mark.parametrize("path", OPEN_HTTP)
def test_calls_that_clients_need_are_open(host: RunningHost, path: str) -> None:
    assert ask(host, "GET", path, {}) == 200


def test_another_start_has_another_token(mark: Mark, host: RunningHost) -> None:
    other = Mark()
    with run_host(SCALARS, env=other.env):
        first, second = token(mark), token(other)
    assert re.fullmatch(r"[0-9a-f]{32}", first)
    assert first != second
    assert ask(host, "POST", "/v2/repository/index", {"pytriton-host": first}) == 200


def token(mark: Mark) -> str:
    (found,) = {match[1] for line in mark.processes().values() for match in re.finditer(r":pytriton-host=(\w+)", line)}
    return found


class Listener(NamedTuple):
    """A listening socket that others may reach."""

    protocol: str
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int


def processes(host: RunningHost) -> list[int]:
    return [host.process.pid, *descendants(host.process.pid)]


def inodes(pid: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            link = os.readlink(entry)
            if link.startswith("socket:["):
                found.add(link[8:-1])
    return found


def listeners(host: RunningHost) -> set[Listener]:
    """The TCP and UDP sockets of the host's processes."""
    ours = set().union(*map(inodes, processes(host)))
    found = set()
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{protocol}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in ours and (protocol.startswith("udp") or fields[3] == "0A"):
                address, _, port = fields[1].rpartition(":")
                raw = b"".join(bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8))
                found.add(Listener(protocol[:3], plain(ipaddress.ip_address(raw)), int(port, 16)))
    return found


def plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address if gRPC listens on it with an IPv6 socket."""
    return getattr(address, "ipv4_mapped", None) or address


def test_three_ports_on_loopback(host: RunningHost) -> None:
    found = listeners(host)
    print(f"{len(processes(host))} processes listen on {[f'{at}:{port} ({kind})' for kind, at, port in sorted(found)]}")
    assert found == {Listener("tcp", ipaddress.IPv4Address("127.0.0.1"), port) for port in host.ports}


def test_unix_sockets_are_private(host: RunningHost, run_dir: Path) -> None:
    """No socket has an abstract name, which any process could connect to; all lie in the run directory."""
    ours = set().union(*map(inodes, processes(host)))
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    names = [row[7] for row in rows if row[6] in ours and len(row) > 7]
    # The control socket is bound by way of its folder's descriptor.
    others = [name for name in names if not re.fullmatch(r"/proc/self/fd/\d+/" + re.escape(CONTROL_SOCKET), name)]
    assert [name for name in others if not name.startswith(f"{run_dir}/")] == []
    (control,) = run_dir.rglob(CONTROL_SOCKET)
    assert stat.S_IMODE(control.lstat().st_mode) == 0o600


def test_files_are_the_users_alone(host: RunningHost, run_dir: Path) -> None:
    """It holds for files that models write too."""
    found = {path: path.lstat().st_mode for path in [run_dir, *run_dir.rglob("*")]}
    print(f"{len(found)} files and folders in the run directory")
    for path, mode in found.items():
        assert stat.S_IMODE(mode) & 0o177 == (0o100 if stat.S_ISDIR(mode) else 0), path
    for pid in processes(host):
        assert "Umask:\t0077\n" in Path(f"/proc/{pid}/status").read_text()


def core_limits(host: RunningHost) -> set[tuple[str, ...]]:
    lines = [line for pid in processes(host) for line in Path(f"/proc/{pid}/limits").read_text().splitlines()]
    return {tuple(line.split()[4:6]) for line in lines if line.startswith("Max core file size")}


def filters(host: RunningHost) -> set[int]:
    return {int(Path(f"/proc/{pid}/coredump_filter").read_text(), 16) for pid in processes(host)}


def test_no_core_files(host: RunningHost) -> None:
    assert core_limits(host) == {("0", "0")}
    assert filters(host) == {0}


def test_core_files_where_they_are_asked_for() -> None:
    here = Path("/proc/self/limits").read_text()
    (line,) = [line for line in here.splitlines() if line.startswith("Max core file size")]
    with run_host(SCALARS, options=["--core-dumps"]) as host:
        assert core_limits(host) == {tuple(line.split()[4:6])}
        assert 0 not in filters(host)


def test_workers_go_first_when_memory_is_short(host: RunningHost, mark: Mark) -> None:
    """The kernel's OOM killer prefers workers."""
    workers = mark.workers()
    scores = {pid: int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in processes(host)}
    own = scores[host.process.pid]
    assert {score for pid, score in scores.items() if pid in workers} == {min(own + 1000, 1000)}
    assert {score for pid, score in scores.items() if pid not in workers} == {own}
