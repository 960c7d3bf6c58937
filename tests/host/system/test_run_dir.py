"""The daemon's run directory: when it is refused, what is kept in it, and what is removed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pytriton_plugins.errors import ConfigError
from pytriton_plugins.host.system.run_dir import RunDir


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configured run directory that exists."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    return folder


def test_nothing_of_the_users_is_removed(folder: Path) -> None:
    (folder / "repository" / "resnet").mkdir(parents=True)
    (folder / "pytriton-host-notes").mkdir()
    (folder / "lock").write_text("mine")
    before = sorted(folder.rglob("*"))
    run_dir = RunDir(folder)
    (run_dir.path / "repository").mkdir()
    run_dir.write_addresses({"schema": 1})
    run_dir.remove()
    assert sorted(folder.rglob("*")) == before
    assert (folder / "lock").read_text() == "mine"


def test_addresses_stand_in_the_configured_folder(folder: Path) -> None:
    (folder / "host.json").write_text("of a host that was killed")
    run_dir = RunDir(folder)
    assert not (folder / "host.json").exists()
    run_dir.write_addresses({"schema": 1, "pid": 7})
    assert json.loads((folder / "host.json").read_text()) == {"schema": 1, "pid": 7}
    run_dir.remove()
    assert list(folder.iterdir()) == []


def test_a_second_host_is_refused(folder: Path) -> None:
    first = RunDir(folder)
    with pytest.raises(ConfigError, match="is used by another pytriton-host; name another with --run-dir"):
        RunDir(folder)
    first.remove()
    RunDir(folder).remove()


def test_files_of_a_killed_host_are_removed(folder: Path) -> None:
    """Files of a killed daemon are removed at the next start."""
    left = folder / "pytriton-host-abc"
    left.mkdir()
    (left / "lock").touch()
    run_dir = RunDir(folder)
    assert not left.exists()
    run_dir.remove()


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    with pytest.raises(ConfigError, match="run: other users can change its files; name one with --run-dir"):
        RunDir(folder)
    assert list(folder.iterdir()) == []


def test_another_users_folder_is_refused(folder: Path) -> None:
    if os.geteuid() == 0:
        os.chown(folder, 12345, -1)
    with pytest.raises(ConfigError, match="other users can change its files"):
        RunDir(folder if os.geteuid() == 0 else Path("/usr"))


def test_a_link_in_place_of_the_lock_is_not_followed(folder: Path) -> None:
    (folder / "pytriton-host.lock").symlink_to(folder / "made")
    with pytest.raises(ConfigError, match="run directory"):
        RunDir(folder)
    assert not (folder / "made").exists()


def test_a_link_in_place_of_the_addresses_is_replaced(folder: Path) -> None:
    (folder / "precious").write_text("mine")
    (folder / "host.json.new").symlink_to(folder / "precious")
    run_dir = RunDir(folder)
    (folder / "host.json").symlink_to(folder / "precious")
    run_dir.write_addresses({"schema": 1})
    assert (folder / "precious").read_text() == "mine"
    run_dir.remove()
