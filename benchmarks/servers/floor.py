"""The floor: a model of our own backend in loopback mode, without a worker."""

from __future__ import annotations

import sys

from benchmarks.cache import Cache
from benchmarks.errors import NotInstalled
from benchmarks.installed import CHECKOUT, framework
from benchmarks.servers.models import Models
from benchmarks.servers.server import Place, Server, plain_environment

PROGRAM = """\
import runpy, sys
sys.path.append(sys.argv.pop(1))
runpy.run_module("benchmarks.floor_host", run_name="__main__", alter_sys=True)
"""
"""The checkout is last on the path: the installed framework counts, and `benchmarks` is never installed."""


def start_floor(cache: Cache, models: Models, place: Place) -> Server:
    """A tritonserver whose models copy inputs to outputs inside our backend."""
    if any(model.inputs != ("x",) for model in models.models):
        raise NotInstalled("the floor serves only models that return their input: leave it out with `--without floor`")
    framework()
    binary = cache.needs(place.tritonserver or cache.tritonserver)
    ports = [str(place.http), str(place.grpc), str(place.metrics)]
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        str(CHECKOUT),
        *ports,
        str(binary),
        str(place.folder / "run"),
        *(f"{model.data_type}:{model.name}" for model in models.models),
    ]
    return Server("floor", command, plain_environment(), place, models.names, binary)
