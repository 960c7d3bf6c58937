"""The answers of the plugin to a pod's variables, limits and files."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any

import pytest

import pytriton_plugins_kubernetes as plugin
from pytriton_plugins.errors import HookError
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.testing import hook_manager
from pytriton_plugins.values import MIB, Drain, HostStatus, ShmPolicy
from pytriton_plugins_kubernetes.options import NOT_READY_FILE

MODEL = ModelDeclaration("m", 1, "function", "m", (), ())
DEFAULT = ShmPolicy(initial=16 * MIB, max=2048 * MIB)
IN_A_POD = Drain(delay=5, timeout=1)


@pytest.fixture(autouse=True)
def limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the container's limit, absent until a test writes it, on a machine of 4 GiB; no variables."""
    for name in (plugin.GRACE_PERIOD, plugin.MEMORY_LIMIT, NOT_READY_FILE):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "proc/meminfo").write_text(f"MemTotal: {4096 * 1024} kB\n")
    file = tmp_path / "sys/fs/cgroup/memory.max"
    file.parent.mkdir(parents=True)
    file.write_text("max\n")
    monkeypatch.setattr(plugin, "ROOT", tmp_path)
    return file


# The grace period


@pytest.mark.parametrize("text", [None, ""])
def test_without_the_variable_there_is_no_answer(text: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if text is not None:
        monkeypatch.setenv(plugin.GRACE_PERIOD, text)
    assert hook_manager(plugin).choose_drain(IN_A_POD).plugin == "built-in"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"share": 0}, "share is 0; write a number above 0, at most 1"),
        ({"share": 1.5}, "share is 1.5; write a number above 0, at most 1"),
        ({"share": True}, "share is True; write a number above 0, at most 1"),
        ({"models": 0}, "models is 0; write a whole number from 1 up"),
        ({"models": 1.5}, "models is 1.5; write a whole number from 1 up"),
        ({"not_ready_file": "drain"}, "not_ready_file is 'drain'; write an absolute path"),
        ({"not_ready_file": 1}, "not_ready_file is 1; write an absolute path"),
        ({"not_ready_file": "/a\nb"}, r"not_ready_file is '/a\nb'; write an absolute path"),
        ({"shares": 1}, "unknown key 'shares'; the keys are share, models, not_ready_file"),
    ],
)
def test_settings_that_make_no_sense_end_the_start(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(HookError, match=re.escape(message)):
        hook_manager(plugin, settings=settings).choose_drain(IN_A_POD)


# The memory


def policy(**settings: Any) -> ShmPolicy:
    return hook_manager(plugin, settings=settings).choose_shm_policy(MODEL, DEFAULT).value


def test_without_a_limit_there_is_no_answer(limit: Path) -> None:
    assert hook_manager(plugin).choose_shm_policy(MODEL, DEFAULT).plugin == "built-in"
    limit.unlink()
    assert hook_manager(plugin).choose_shm_policy(MODEL, DEFAULT).plugin == "built-in"


def test_a_share_of_the_pods_limit(limit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit.write_text(f"{512 * MIB}\n")
    monkeypatch.setenv(plugin.MEMORY_LIMIT, str(1024 * MIB))
    assert policy() == ShmPolicy(16 * MIB, 512 * MIB)
    assert policy(share=0.75, models=3).max == 256 * MIB


@pytest.mark.parametrize("text", [None, "", "0"])
def test_else_that_of_the_cgroup(text: str | None, limit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit.write_text(f"{512 * MIB}\n")
    if text is not None:
        monkeypatch.setenv(plugin.MEMORY_LIMIT, text)
    assert policy().max == 256 * MIB


def test_never_below_the_start_nor_above_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(plugin.MEMORY_LIMIT, str(MIB))
    assert policy().max == 16 * MIB
    monkeypatch.setenv(plugin.MEMORY_LIMIT, str(1 << 40))
    assert policy() == DEFAULT


# The file


def reason(file: Path | str) -> str:
    """The reason why the daemon is not ready with this file; empty if it is."""
    verdicts = hook_manager(plugin, settings={"not_ready_file": str(file)}).check_readiness(HostStatus())
    assert all(not verdict.ok for _, verdict in verdicts)
    return "; ".join(verdict.reason for _, verdict in verdicts)


def test_no_file_no_objection(tmp_path: Path) -> None:
    assert reason(tmp_path / "no") == reason(tmp_path / "no/such/folder") == ""
    (tmp_path / "file").touch()
    assert reason(tmp_path / "file/below") == ""


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (b"", ""),
        (b"\n", ""),
        (b"disk is full\nsince nine\n", ": disk is full"),
        (b" \t disk\tis full \r\n", ": disk is full"),
        (b"\x1b[31mred\x07", r": \x1b[31mred\x07"),
        (b"\xff\xfe", ": \ufffd\ufffd"),
        (b"x" * 1_000_000, f": {'x' * 99}…"),
    ],
)
def test_the_first_line_is_the_reason(tmp_path: Path, content: bytes, suffix: str) -> None:
    file = tmp_path / "not-ready"
    file.write_bytes(content)
    assert reason(file) == f"{file} exists{suffix}"


def test_a_fifo_a_folder_and_a_device_count_and_do_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert reason(tmp_path / "fifo") == f"{tmp_path}/fifo exists"
    assert reason(tmp_path) == f"{tmp_path} exists"
    assert reason("/dev/zero") == "/dev/zero exists"


def test_a_file_that_cannot_be_read_counts(tmp_path: Path) -> None:
    """A file that even root cannot read, and one that cannot be looked up."""
    assert reason("/proc/self/mem") == "/proc/self/mem exists"
    (tmp_path / "round").symlink_to("round")
    assert reason(tmp_path / "round") == f"{tmp_path}/round may exist: Too many levels of symbolic links"


def test_the_variable_goes_before_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NOT_READY_FILE, str(tmp_path))
    assert reason(tmp_path / "no") == f"{tmp_path} exists"
    monkeypatch.setenv(NOT_READY_FILE, "drain")
    assert "POD_NOT_READY_FILE is 'drain'; write an absolute path" in reason(tmp_path)


# The log at the start


def test_a_file_from_before_the_start_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "off").write_text("maintenance\n")
    with caplog.at_level(logging.WARNING, "pytriton.kubernetes"):
        hook_manager(plugin, settings={"not_ready_file": str(tmp_path / "off")}).on_host_start(HostStatus())
    message = f"{tmp_path}/off exists: maintenance since before this start: not ready until it is removed"
    assert caplog.messages == [message]


def logged(caplog: pytest.LogCaptureFixture, *, level: int = logging.INFO, **settings: Any) -> str:
    caplog.clear()
    with caplog.at_level(level, "pytriton.kubernetes"):
        hook_manager(plugin, settings=settings).on_host_start(HostStatus())
    (line,) = caplog.messages
    return line


def test_the_log_names_each_value_and_its_source(
    limit: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Outside a pod it is logged at DEBUG only.
    assert logged(caplog, level=logging.DEBUG) == (
        "using no grace period (POD_TERMINATION_GRACE_PERIOD is not set); no memory limit; not-ready file "
        "/tmp/pytriton-not-ready from the default"
    )
    limit.write_text(f"{512 * MIB}\n")
    assert "; a memory limit of 512.0 MiB from the container's cgroup, 0.5 of it for the shared" in logged(caplog)
    monkeypatch.setenv(plugin.GRACE_PERIOD, "60")
    monkeypatch.setenv(plugin.MEMORY_LIMIT, str(1024 * MIB))
    assert logged(caplog, share=0.25, models=2, not_ready_file="/tmp/off") == (
        "using a grace period of 60 s from POD_TERMINATION_GRACE_PERIOD; a memory limit of 1024.0 MiB from "
        "POD_MEMORY_LIMIT, 0.25 of it for the shared memory of 2 models; not-ready file /tmp/off "
        "from [plugins.kubernetes] not_ready_file"
    )
