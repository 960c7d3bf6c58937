"""The hook plugins of the observe comparison are found, and its figures count only with enough pairs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import observe, table
from benchmarks.loads import loads_named
from pytriton_plugins.discovery.entry_points import find_hooks
from pytriton_plugins.hooks.manager import HookManager
from tests.support.measure.benchmark_runs import run_of

LOADS = loads_named(observe.LOADS)
RATES = {"plain": 1000.0, "host_side": 1000.0, "request": 900.0}


@pytest.mark.parametrize(("plugin", "told_in_workers"), [("host_side", False), ("request", True)])
def test_a_plugin_is_installed_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: str, told_in_workers: bool
) -> None:
    monkeypatch.syspath_prepend(str(observe.install(plugin, tmp_path / "plugins")))
    references = [each for each in find_hooks() if each.distribution == observe.DISTRIBUTION]
    manager = HookManager.of_references(references)
    assert [reference.plugin for reference in references] == [plugin]
    assert bool(manager.worker_references()) is told_in_workers


def test_figures_are_ratios_to_no_hook_plugin() -> None:
    run = run_of(table.ROUNDS_THAT_COUNT, RATES, LOADS)
    assert observe.COMPARISON.fractions_table(run, LOADS).splitlines()[2] == "| 64 B gRPC, 1 client | 1.00 | 0.90 |"
    assert observe.COMPARISON.objections(run, LOADS) == []


def test_four_rounds_do_not_count() -> None:
    assert observe.COMPARISON.objections(run_of(4, RATES, LOADS), LOADS)[0] == (
        "64 B gRPC, 1 client: 4 pairs of hooks of the daemon only and no hook plugin, 5 are needed"
    )
