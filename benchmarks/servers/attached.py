"""This project with callables that a script has attached: its threads answer, in the place of workers."""

from __future__ import annotations

import shutil
import sys

from benchmarks.cache import Cache
from benchmarks.installed import framework
from benchmarks.servers.models import SOURCES, Models
from benchmarks.servers.server import Place, Server, plain_environment


def start_attached(cache: Cache, models: Models, place: Place) -> Server:
    """A script with a `Host` that attaches the callables of the models of ours."""
    framework()
    binary = cache.needs(place.tritonserver or cache.tritonserver)
    targets = {place.folder / f"{model.name}.py": model.source("ours") for model in models.models}
    for target, source in targets.items():
        shutil.copyfile(source, target)
    ports = [str(place.http), str(place.grpc), str(place.metrics)]
    script = str(SOURCES / "attached" / "serve.py")
    command = [sys.executable, script, *ports, str(place.folder / "run"), str(binary), *map(str, targets)]
    return Server("attached", command, plain_environment(), place, models.names, binary)
