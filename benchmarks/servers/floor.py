"""The floor: a model of our own backend in loopback mode, without a worker. Runs in the benchmark process."""

from __future__ import annotations

from benchmarks.cache import Cache
from benchmarks.errors import NotInstalled
from benchmarks.servers.models import Models
from benchmarks.servers.server import Place, Server


def start_floor(cache: Cache, models: Models, place: Place) -> Server:
    """A tritonserver whose model copies inputs to outputs inside our backend."""
    raise NotInstalled(
        f"the floor cannot serve {', '.join(models.names)} on port {place.grpc} yet: "
        f"leave it out with `--without floor` (cache: {cache.folder})"
    )
