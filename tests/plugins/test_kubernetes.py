"""The answers of `plugins/kubernetes` at the start of the daemon."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pytriton_plugins_kubernetes as plugin
from pytriton_plugins.config.loading import load_config
from pytriton_plugins.errors import HookError
from pytriton_plugins.host.preflight import with_drain
from pytriton_plugins.testing import hook_manager
from pytriton_plugins.values import Drain
from pytriton_plugins_kubernetes.options import NOT_READY_FILE


@pytest.fixture(autouse=True)
def no_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the variables of a pod; the machine has no limits."""
    for name in (plugin.GRACE_PERIOD, plugin.MEMORY_LIMIT, NOT_READY_FILE):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "proc/meminfo").write_text(f"MemTotal: {4096 * 1024} kB\n")
    monkeypatch.setattr(plugin, "ROOT", tmp_path)


def drain(folder: Path, **flags: object) -> Drain:
    """The drain that the daemon uses in a pod, with these options and the plugin."""
    config = load_config((), flags, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, folder)
    return with_drain(config, hook_manager(plugin)).drain


@pytest.mark.parametrize(
    ("grace", "flags", "expected"),
    [
        ("60", {}, Drain(5, 50, 60)),
        ("30", {}, Drain(5, 20, 30)),
        ("20", {}, Drain(5, 10, 20)),
        ("30", {"drain_delay": "0"}, Drain(0, 25, 30)),
        ("11", {}, Drain(5, 1, 11)),
        ("9", {}, Drain(5, 1, 9)),
        # Options override the answer.
        ("60", {"grace_period": "20"}, Drain(5, 10, 20)),
        ("60", {"grace_period": "90"}, Drain(5, 80, 90)),
        ("60", {"drain_timeout": "7"}, Drain(5, 7, 60)),
        ("8", {"drain_timeout": "0"}, Drain(5, 0, 8)),
    ],
)
def test_the_drain_uses_what_the_grace_period_leaves(
    grace: str, flags: dict[str, object], expected: Drain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(plugin.GRACE_PERIOD, grace)
    assert drain(tmp_path, **flags) == expected


@pytest.mark.parametrize(
    ("grace", "flags", "text"),
    [
        ("8", {}, "is 1 s too short: drain-delay 5 + drain-timeout 1 + 3 s to end everything = 9 s"),
        ("0", {"drain_delay": "0"}, "is 4 s too short: drain-delay 0 + drain-timeout 1 + 3 s to end everything = 4 s"),
    ],
)
def test_too_short_a_grace_period_ends_the_start(
    grace: str, flags: dict[str, object], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(plugin.GRACE_PERIOD, grace)
    expected = f"(POD_TERMINATION_GRACE_PERIOD={grace}) {text}; raise terminationGracePeriodSeconds and the variable;"
    with pytest.raises(HookError, match=re.escape(expected)):
        drain(tmp_path, **flags)


def test_an_option_that_does_not_fit_into_the_grace_period(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(plugin.GRACE_PERIOD, "30")
    with pytest.raises(HookError, match=r"drain-timeout 40 \+ 3 s to end everything = 48 s; raise the grace period"):
        drain(tmp_path, drain_timeout="40")


@pytest.mark.parametrize("text", ["30s", "-1", "1.5", "٣٠"])
def test_a_grace_period_that_is_none(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is not a number of whole seconds ends the start."""
    monkeypatch.setenv(plugin.GRACE_PERIOD, text)
    with pytest.raises(HookError, match=re.escape(f"is {text!r}; write whole seconds, the same as termination")):
        drain(tmp_path)


def test_a_limit_that_is_no_number_of_bytes_ends_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(plugin.MEMORY_LIMIT, "4Gi")
    with pytest.raises(HookError, match="variable POD_MEMORY_LIMIT is '4Gi'; write bytes, as the"):
        drain(tmp_path)
