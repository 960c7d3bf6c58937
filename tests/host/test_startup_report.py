"""The start-up table and the lines below it, for daemons without models."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rich.console

from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.hooks.manager import HookManager
from pytriton_plugins.host.control.paths import HostPaths
from pytriton_plugins.host.daemon import Daemon
from pytriton_plugins.host.log.recent_errors import RecentErrors
from pytriton_plugins.host.log.setup import Log, set_up_logging
from pytriton_plugins.host.preflight import PreparedStart
from pytriton_plugins.host.startup_report import Row, StartupReport, _text, awaited
from pytriton_plugins.host.supervision.records import PluginRecord
from pytriton_plugins.host.system.run_dir import RunDir
from pytriton_plugins.host.triton.locate import FoundServer
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.values import Ports
from tests.support.sandbox.loggers import restored_loggers

PORTS = Ports(8000, 8001, 8002)
SERVED = {"http": 8000, "grpc": 8001, "metrics": 8002}


def reference(name: str) -> ModelReference:
    return ModelReference(plugin=name, value=name, distribution="", version="")


@contextlib.contextmanager
def a_host(folder: Path, address: str = "127.0.0.1") -> Iterator[tuple[Daemon, Log]]:
    """A daemon without models, and its output, which is closed at the end."""
    found = FoundServer(Path("/none"), "a test")
    with restored_loggers():
        run_dir, log = RunDir(folder), set_up_logging("info")
        try:
            prepared = PreparedStart(HostConfig(address=address), HookManager(), [], [], found, PORTS)
            yield Daemon(prepared, HostPaths.within(run_dir.path), run_dir, RecentErrors(), log), log
        finally:
            log.close(30)
            run_dir.remove()


def test_text_in_brackets_is_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Text in brackets is printed unchanged, not read as markup."""
    with a_host(tmp_path, "fe80::1") as (host, log):
        host.registry.records = [PluginRecord(reference("models[gpu].py"), error="no module [x]")]
        StartupReport(host.registry, log).show_models(
            host.config.address, PORTS, host.listening_ports, ["plugin [red]: no module [x]"]
        )
    output = capfd.readouterr().out
    for text in (
        "HTTP http://[fe80::1]:8000   gRPC [fe80::1]:8001   metrics http://[fe80::1]:8002/metrics",
        "models[gpu].py",
        "no module [x]",
        "not ready: plugin [red]: no module [x]",
    ):
        assert text in output


def test_hundreds_of_plugins_cost_the_loop_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log's thread renders the table, and the list of awaited plugins is cut."""
    makers: list[str] = []

    class Noted(rich.console.Console):
        def __init__(self, **options: Any) -> None:
            makers.append(threading.current_thread().name)
            super().__init__(**options)

    monkeypatch.setattr(rich.console, "Console", Noted)
    with a_host(tmp_path) as (host, log):
        host.registry.records = [PluginRecord(reference(f"plugin{number}")) for number in range(300)]
        assert awaited(host.registry) == "importing plugin0, plugin1, plugin2, plugin3, plugin4, and 295 more …"
        for record in host.registry.records:
            record.error = "no weights"
        StartupReport(host.registry, log).show_models(host.config.address, PORTS, host.listening_ports, [])
    assert makers == ["pytriton-log"]
    assert sum("no weights" in line for line in capfd.readouterr().out.splitlines()) == 300


def declared(name: str) -> ModelDeclaration:
    tensors = (Tensor("x", np.float32, (-1,)),)
    return ModelDeclaration(name, 1, "function", name, tensors, tensors)


def test_lines_are_shown_for_the_first_ten_models() -> None:
    """Sample requests are printed for ten models at most."""
    text = _text([], [declared(f"m{number}") for number in range(12)], [], "127.0.0.1", PORTS, SERVED, None)
    assert text.count("\ncurl -s ") == 10
    assert text.endswith("\n2 more models: pytriton-host infer MODEL names the inputs of each\n")


@pytest.mark.parametrize("columns", [60, 120])
def test_on_a_terminal_a_long_reason_stands_below_the_table_once(columns: int) -> None:
    """Words stay whole, and no row is wider than the terminal."""
    why = "import: OSError: no weights in " + "a/" * 100
    rows = [
        Row(
            "resnet_classifier",
            "1",
            "resnet",
            "resnet (acme-resnet-classifiers 1.2.3)",
            "2",
            "model resnet_classifier",
            "",
        ),
        Row("-", "-", "broken", "broken (acme-broken 1.0)", "0", "plugin broken", why),
        Row("-", "-", "perhaps", "perhaps (acme-perhaps 1.0)", "0", "plugin perhaps", why),
    ]
    text = re.sub(r"\x1b\[[\d;]*m", "", _text(rows, [], [f"plugin broken: {why}"], "127.0.0.1", PORTS, SERVED, columns))
    table, problems = text.split("\n\n")[0].split("\nplugin perhaps: ")
    assert max(map(len, table.splitlines())) <= columns
    assert ("(acme-broken" in table) == (columns == 120)
    assert all(word in table for word in ("resnet_classifier", "failed", "WORKERS", "perhaps"))
    assert problems == f"{why}\nnot ready: plugin broken: {why}"
