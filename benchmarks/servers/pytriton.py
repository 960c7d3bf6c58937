"""PyTriton, in its own environment under the distribution's Python."""

from __future__ import annotations

from benchmarks.cache import Cache
from benchmarks.servers.models import SOURCES, Models
from benchmarks.servers.server import Place, Server, plain_environment


def start_pytriton(cache: Cache, models: Models, place: Place) -> Server:
    """A script that binds every model and serves; the server binary is the one in PyTriton's wheel."""
    python = cache.needs(cache.pytriton_python)
    binary = cache.pytriton_packages / "pytriton" / "tritonserver" / "bin" / "tritonserver"
    ports = [str(place.http), str(place.grpc), str(place.metrics)]
    wanted = [f"{model.kind}:{model.name}" for model in models.models]
    command = [str(python), str(SOURCES / "pytriton" / "serve.py"), *ports, *wanted]
    environment = plain_environment(
        PATH=f"{python.parent}:/usr/bin:/bin",
        LD_LIBRARY_PATH=str(cache.libraries),
        PYTRITON_HOME=str(place.folder / "pytriton-home"),
    )
    # "pytrtion" is how PyTriton spells it.
    return Server("PyTriton", command, environment, place, models.names, binary, leaves="pytrtion{pid}-*")
