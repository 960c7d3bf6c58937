"""The process that holds a port, as far as /proc shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.system.ports import _by_holder, settle_ports
from pytriton_plugins.values import Ports

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LISTENS = "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc where process 17 listens on port 8000, of a machine without IPv6."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(HEADER + LISTENS)
    (tmp_path / "17" / "fd").mkdir(parents=True)
    (tmp_path / "17" / "fd" / "3").symlink_to("socket:[4711]")
    (tmp_path / "17" / "comm").write_text("nginx\n")
    return tmp_path


def test_the_holder_without_ipv6(proc: Path) -> None:
    assert _by_holder(8000, proc) == " by nginx (process 17)"
    assert _by_holder(8001, proc) == ""


def test_a_holder_that_ends_meanwhile(proc: Path) -> None:
    """A process that ends while /proc is read is not named."""
    (proc / "net" / "tcp6").write_text(HEADER)
    (proc / "17" / "comm").unlink()
    assert _by_holder(8000, proc) == ""


@pytest.mark.parametrize(
    ("plugin", "by"), [("", ""), ("built-in", ""), ("acme (acme 1.0)", ", by hook plugin acme (acme 1.0)")]
)
def test_one_port_for_two(plugin: str, by: str) -> None:
    """Two services on one port are refused, and the source of the ports is named."""
    with pytest.raises(ServerError) as raised:
        settle_ports("127.0.0.1", Ports(8000, 8001, 8000), plugin)
    assert str(raised.value) == f"port 8000: chosen twice{by}; give HTTP, gRPC and metrics a port each"


def test_a_front_end_on_one_of_our_ports() -> None:
    with pytest.raises(ServerError) as raised:
        settle_ports("127.0.0.1", Ports(8080, 8001, 8002), front_ends={"sagemaker": 8080})
    assert str(raised.value) == (
        "port 8080: chosen twice; give HTTP, gRPC, metrics and --server-option sagemaker-port a port each"
    )
