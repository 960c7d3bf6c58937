"""This project: `pytriton-host serve`, as a user would start it."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cache import Cache
from benchmarks.installed import framework
from benchmarks.servers.models import Model, Models
from benchmarks.servers.server import Place, Server, plain_environment

# The body of the console script; the script itself names a Python that may have moved.
HOST = "import sys; from pytriton_plugins.cli.entry import main; sys.exit(main())"


def start_ours(
    cache: Cache, models: Models, place: Place, further: Sequence[str] = (), python: Path | None = None
) -> Server:
    """The installed host, with one plain file for each model and ``further`` options.

    ``python`` has another version of the framework; without it, that of this checkout must be installed.
    The server is `place.tritonserver`, else the peers' own binary.
    """
    if python is None:
        framework()
    binary = cache.needs(place.tritonserver or cache.tritonserver)
    targets = {place.folder / f"{model.name}.py": model.source("ours") for model in models.models}
    for target, source in targets.items():
        shutil.copyfile(source, target)
    # The clients of a benchmark continue while it stops.
    stop = "--drain-timeout=1"
    ports = [f"--http-port={place.http}", f"--grpc-port={place.grpc}", f"--metrics-port={place.metrics}"]
    options = [*ports, stop, f"--tritonserver={binary}", "--allow=shared-memory", f"--run-dir={place.folder / 'run'}"]
    command = [str(python or sys.executable), "-c", HOST, "serve", *map(str, targets), *options, *further]
    return Server("ours", command, plain_environment(), place, models.names, binary)


def start_empty(cache: Cache, models: Models, place: Place) -> Server:
    """Ours, with an identity model that writes into `ctx.empty`, and no other model."""
    return start_ours(cache, Models((Model("identity", "identity_empty"),)), place)


def bundled_tritonserver() -> Path | None:
    """The server of pytriton-plugins-tritonserver, if that is installed."""
    if importlib.util.find_spec("pytriton_plugins_tritonserver") is None:
        return None
    from pytriton_plugins_tritonserver import SERVER

    return SERVER if SERVER.is_file() else None
