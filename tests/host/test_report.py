"""The table and the lines under it, of hosts that serve nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytriton_plugins.config import HostConfig
from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.host.daemon import Host
from pytriton_plugins.host.locate import FoundServer
from pytriton_plugins.host.plugins import PluginRecord
from pytriton_plugins.host.recent_errors import RecentErrors
from pytriton_plugins.host.report import Report
from pytriton_plugins.host.run_dir import RunDir
from pytriton_plugins.testing import wait_until
from pytriton_plugins.values import Ports

PORTS = Ports(8000, 8001, 8002)


def reference(name: str) -> ModelReference:
    return ModelReference(plugin=name, value=name, distribution="", version="")


def test_what_stands_in_brackets_is_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Seen red with rich's markup on for the address, and for the plugin."""
    run_dir = RunDir(tmp_path)
    config = HostConfig(address="fe80::1")
    host = Host(config, HookManager(), FoundServer(Path("/none"), "a test"), PORTS, run_dir, RecentErrors())
    host.roster.records = [PluginRecord(reference("models[gpu].py"), error="no module [x]")]
    Report(host.roster).show_models(PORTS, ["plugin [red]: no module [x]"])
    run_dir.remove()
    # Written in one piece.
    said = wait_until(lambda: capfd.readouterr().out)
    for text in (
        "HTTP http://[fe80::1]:8000   gRPC [fe80::1]:8001   metrics http://[fe80::1]:8002/metrics",
        "models[gpu].py",
        "no module [x]",
        "not ready: plugin [red]: no module [x]",
    ):
        assert text in said
