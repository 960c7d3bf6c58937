"""A part of the container's limit for each model, and the effect when it is used up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pytriton_plugins_memory_guard as plugin
from pytriton_plugins.errors import HookError
from pytriton_plugins.models import ModelDeclaration
from pytriton_plugins.testing import hook_manager
from pytriton_plugins.values import MIB, FullAction, Reject, ShmPolicy, Shortage, Wait

MODEL = ModelDeclaration("m", 1, "function", "m", (), ())
DEFAULT = ShmPolicy(initial=16 * MIB, max=2048 * MIB)


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the container's limit, 1 GiB until a test changes it, on a machine of 4 GiB."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "proc/meminfo").write_text(f"MemTotal: {4096 * 1024} kB\nMemFree: 1 kB\n")
    file = tmp_path / "sys/fs/cgroup/memory.max"
    file.parent.mkdir(parents=True)
    file.write_text(f"{1024 * MIB}\n")
    monkeypatch.setattr(plugin, "ROOT", tmp_path)
    return file


def policy(**settings: Any) -> ShmPolicy:
    return hook_manager(plugin, settings=settings).choose_shm_policy(MODEL, DEFAULT).value


def test_half_of_the_limit_by_default(container: Path) -> None:
    assert policy() == ShmPolicy(16 * MIB, 512 * MIB)


def test_the_share_is_divided_among_models(container: Path) -> None:
    assert policy(share=0.8, models=2).max == int(1024 * MIB * 0.8 / 2)


def test_without_a_limit_the_machines_memory_counts(container: Path) -> None:
    container.write_text("max\n")
    assert policy(models=4).max == 512 * MIB


def test_never_less_than_at_the_start(container: Path) -> None:
    container.write_text(str(MIB))
    assert policy().max == 16 * MIB


@pytest.mark.parametrize("settings", [{"share": 0}, {"share": 1.5}, {"models": 0}])
def test_settings_that_make_no_sense_end_the_start(container: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(HookError, match="write 0 < share <= 1"):
        policy(**settings)


def action(needed: int, **settings: Any) -> FullAction:
    shortage = Shortage(needed=needed, in_use=500 * MIB, left=1024 * MIB, policy=ShmPolicy(16 * MIB, 512 * MIB))
    answer = hook_manager(plugin, settings=settings).choose_shm_full_action(MODEL, shortage)
    assert answer is not None
    return answer.value


def test_refused_at_once_by_default() -> None:
    assert isinstance(action(100 * MIB), Reject)


def test_waits_if_it_can_fit_at_all() -> None:
    assert action(100 * MIB, wait=2.0) == Wait(2.0)
    assert isinstance(action(600 * MIB, wait=2.0), Reject)
