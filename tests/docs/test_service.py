"""The systemd unit of the page: systemd accepts it, and the daemon can stop within its time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from pytriton_plugins.config.host_config import END_SECONDS
from pytriton_plugins.config.loading import load_config
from pytriton_plugins.config.settings import SETTINGS
from tests.support.docs.blocks import ROOT, blocks


def unit() -> list[tuple[str, str]]:
    """Keys may come twice."""
    (block,) = [block for block in blocks("ini") if block.page == "run-as-a-service"]
    lines = [line for line in block.text.splitlines() if "=" in line]
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


def variables() -> dict[str, str]:
    return dict(value.split("=", 1) for name, value in unit() if name == "Environment")


def test_systemd_accepts_it(tmp_path: Path) -> None:
    """Where systemd is installed; the program must exist for it."""
    (block,) = [block for block in blocks("ini") if block.page == "run-as-a-service"]
    file = tmp_path / "pytriton-host.service"
    file.write_text(block.text.replace("/opt/models/bin/pytriton-host", sys.executable))
    assert file.read_text() != block.text
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True)
        lines = [line for line in f"{done.stdout}{done.stderr}".splitlines() if file.name in line]
        assert (done.returncode, lines) == (0, [])


def test_only_the_daemon_gets_the_signal() -> None:
    settings = dict(unit())
    assert (settings["Type"], settings["KillMode"], settings["OOMPolicy"]) == ("exec", "mixed", "continue")


def test_a_stop_fits_into_the_time_that_systemd_gives(tmp_path: Path) -> None:
    """By default, outside of a cluster; the daemon checks the same sum at its start."""
    given = {name: value for name, value in variables().items() if name.startswith("PYTRITON_HOST_")}
    assert set(given) <= {setting.variable for setting in SETTINGS}
    config = load_config((), {}, given, tmp_path)
    assert config.grace_period == float(dict(unit())["TimeoutStopSec"])
    assert config.drain_delay + config.drain_timeout + END_SECONDS <= config.grace_period


def test_its_folders_are_those_that_systemd_makes() -> None:
    settings = dict(unit())
    assert variables()["PYTRITON_HOST_RUN_DIR"] == f"/run/{settings['RuntimeDirectory']}"
    assert variables()["HOME"] == f"/var/cache/{settings['CacheDirectory']}"
    assert f"`{variables()['HOME']}`" in (ROOT / "docs/how-to/run-as-a-service.md").read_text()
