"""Debian's HAProxy before a network's members, as docs/deploying-in-clusters.md has it."""

from __future__ import annotations

import contextlib
import csv
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs

from pytriton_plugins.testing import wait_until
from tests.support.docs.blocks import blocks
from tests.support.sandbox.namespaces import Network

_DOCUMENTED = "192.0.2."
"""The prefix of the addresses on the page; those of the network replace them."""

_GLOBAL = """\
global
    log stdout format raw local0
    stats socket {folder}/stats mode 600 level admin
"""
_REQUEST = re.compile(
    r" (?P<backend>\w+)/(?P<server>\S+) (?:[-+\d]+/){4}[-+\d]+ (?P<status>-?\d+) \S+ - - (?P<state>..)\S\S (?:\d+/){4}"
)


@attrs.frozen
class Logged:
    """One request as HAProxy logs it.

    ``state``: ``--`` is a whole answer, ``SC`` a server that refused the connection, ``SH`` a server that ended before
    its answer. A failed request that is not the first of its client's connection is not logged: HAProxy only closes the
    connection.
    """

    backend: str
    server: str
    status: int
    state: str

    @property
    def failed(self) -> bool:
        return self.state != "--" or self.status != 200


class Balancer:
    """A running HAProxy; ``http`` and ``grpc`` are ``ADDRESS:PORT``, as those of a host."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, folder: Path) -> None:
        self.process = process
        self.http, self.grpc = f"{address}:8000", f"{address}:8001"
        self._folder = folder

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def started(self) -> bool:
        """Whether it listens; fails with its log if it has ended."""
        assert self.process.poll() is None, self.log
        with contextlib.suppress(OSError):
            return bool(self._statistics())
        return False

    def requests(self) -> list[Logged]:
        """All requests until now."""
        return [
            Logged(found["backend"], found["server"], int(found["status"]), found["state"])
            for found in _REQUEST.finditer(self.log)
        ]

    def up(self, server: str) -> set[str]:
        """The backends that send requests to the server."""
        return {row["pxname"] for row in self._statistics() if row["svname"] == server and row["status"] == "UP"}

    def in_flight(self, server: str) -> int:
        """How many requests the server has now."""
        return sum(int(row["scur"]) for row in self._statistics() if row["svname"] == server)

    def _statistics(self) -> list[dict[str, str]]:
        return [*csv.DictReader(self._ask("show stat").removeprefix("# ").strip().splitlines())]

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._folder / "stats"))
            connection.sendall(f"{command}\n".encode())
            with connection.makefile() as answer:
                return answer.read()


def documented() -> str:
    """The page's configuration."""
    (block,) = blocks("haproxy")
    return block.text


def without_retries(configuration: str) -> str:
    """The same without retries of refused connections at another server."""
    off, count = re.subn(
        r"    retries 1\n    retry-on conn-failure\n    option redispatch 1\n", "    retries 0\n", configuration
    )
    assert count == 1
    return off


def of_connections(configuration: str) -> str:
    """The same for whole connections instead of requests, as a Service of Kubernetes does."""
    for found, instead in (("mode http\n", "mode tcp\n"), ("option httplog\n", "option tcplog\n"), (" proto h2", "")):
        assert found in configuration
        configuration = configuration.replace(found, instead)
    return re.sub(" check-proto h1|    timeout http-keep-alive .*\n", "", configuration)


def of_the_first(count: int, configuration: str) -> str:
    """The same with only the first ``count`` servers."""
    several = "".join(str(number) for number in range(1, count + 1))
    return re.sub(rf"    server models-[^{several}] .*\n", "", configuration)


@contextlib.contextmanager
def balancer(network: Network, folder: Path, configuration: str) -> Iterator[Balancer]:
    """HAProxy in the network's own namespace; its files are in the new folder ``folder``."""
    folder.mkdir()
    (folder / "own.cfg").write_text(_GLOBAL.format(folder=folder))
    (folder / "models.cfg").write_text(configuration.replace(_DOCUMENTED, network.prefix))
    files = [argument for name in ("own", "models") for argument in ("-f", str(folder / f"{name}.cfg"))]
    with (folder / "log").open("wb") as log:
        command = [*network.inside(0), "haproxy", "-db", *files]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    proxy = Balancer(process, network.balancer, folder)
    try:
        wait_until(proxy.started, what="HAProxy listens")
        yield proxy
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
