"""Whether the parent is our own init."""

from __future__ import annotations

from pathlib import Path

from pytriton_plugins.host.system.network import _is_ours


def test_whose_init_it_is(tmp_path: Path) -> None:
    command = tmp_path / "cmdline"
    assert not _is_ours(command)
    command.write_bytes(b"/sbin/init\0")
    assert not _is_ours(command)
    command.write_bytes(b"/usr/bin/python3\0/usr/bin/pytriton-host\0serve\0")
    assert _is_ours(command)
