"""The servers of the comparison: ours with an ensemble beside its models, and Triton's python backend."""

from __future__ import annotations

import shutil

from benchmarks.cache import Cache
from benchmarks.servers import Place, Server
from benchmarks.servers.models import OF_BLS, OF_OUR_CALLS, SOURCES
from benchmarks.servers.ours import start_ours
from benchmarks.servers.python_backend import start_python_backend

TIMED_CALLS = SOURCES / "timed_calls.py"
ENSEMBLES = SOURCES / "ensemble"


def start_our_calls(cache: Cache, place: Place) -> Server:
    """Ours: the identity model, those that call it, the models of the pipeline, and the ensemble of the same."""
    shutil.copy(TIMED_CALLS, place.folder)
    repository = shutil.copytree(ENSEMBLES, place.folder / "ensembles")
    for model in repository.iterdir():
        (model / "1").mkdir()
    config = place.folder / "calls.toml"
    config.write_text(f'[models.nested_grpc.settings]\naddress = "127.0.0.1:{place.grpc}"\n')
    return start_ours(cache, OF_OUR_CALLS, place, [f"--config={config}", f"--model-repository={repository}"])


def start_bls(cache: Cache, place: Place) -> Server:
    """The python backend: its identity model and the one that calls it."""
    server = start_python_backend(cache, OF_BLS, place)
    for model in OF_BLS.models:
        shutil.copy(TIMED_CALLS, place.folder / "models" / model.name / "1")
    return server


STARTERS = {"ours": start_our_calls, "python-backend": start_bls}
