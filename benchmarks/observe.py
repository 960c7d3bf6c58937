"""`python -m benchmarks observe`: what hook plugins cost a request."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

from benchmarks.cache import Cache
from benchmarks.servers import Models, Place, Server, Starter
from benchmarks.servers.ours import start_ours
from benchmarks.table import Comparison, pairs_with
from pytriton_plugins.discovery.entry_points import find_hooks

PLUGINS = Path(__file__).parent / "hooks"
DISTRIBUTION = "benchmark-hooks"
TITLES = {"plain": "no hook plugin", "host_side": "hooks of the daemon only", "request": "a pytriton_on_request"}
LOADS = "grpc-1,grpc-8"


def start(plugin: str, cache: Cache, models: Models, place: Place) -> Server:
    """Ours with one of the hook plugins in `hooks/` (`plain`: with none), without the installed hook plugins."""
    options = [f"--no-plugin={each.distribution}" for each in find_hooks()]
    if plugin != "plain":
        options.append(f"--plugins-dir={install(plugin, place.folder / 'plugins')}")
    return start_ours(cache, models, place, options)


def install(plugin: str, folder: Path) -> Path:
    """Fill `folder` as `pip install --target` does, and return it."""
    info = folder / f"{DISTRIBUTION.replace('-', '_')}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[pytriton_plugins.hooks]\n{plugin} = benchmark_{plugin}\n")
    shutil.copyfile(PLUGINS / f"{plugin}.py", folder / f"benchmark_{plugin}.py")
    return folder


STARTERS: dict[str, Starter] = {plugin: functools.partial(start, plugin) for plugin in TITLES}
COMPARISON = Comparison(STARTERS, TITLES, (("host_side", "plain"), ("request", "plain")), pairs_with("plain", TITLES))
