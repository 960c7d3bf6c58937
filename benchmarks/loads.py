"""The loads of the table, as options of perf_analyzer."""

from __future__ import annotations

import re
from typing import Literal

from attrs import frozen

from benchmarks.errors import BenchmarkError

Protocol = Literal["grpc", "http"]

FLOAT_BYTES = 4


@frozen
class Load:
    """One row of the table: tensors of `elements` numbers or strings, for a model that returns its input."""

    name: str
    title: str
    protocol: Protocol
    clients: int
    elements: int
    floor_over_python_backend: float
    """The least ratio at which the floor counts as a floor."""
    client_shared_memory: bool = False
    string_length: int = 0
    """Bytes of each string; 0 for FP32 numbers."""
    receiver: str = ""
    """The name of another model than those of the table."""

    @property
    def model(self) -> str:
        if self.receiver:
            return self.receiver
        return "strings" if self.string_length else "identity"

    @property
    def bytes(self) -> int:
        """Size of the input, and of the output, without the lengths that Triton adds to strings."""
        return self.elements * (self.string_length or FLOAT_BYTES)

    def arguments(self) -> list[str]:
        """The options of perf_analyzer for this load."""
        shared_memory = ["--shared-memory", "system", "--output-shared-memory-size", str(self.bytes)]
        return [
            *("-m", self.model, "-i", self.protocol, "--shape", f"x:{self.elements}"),
            *("--concurrency-range", str(self.clients)),
            *(shared_memory if self.client_shared_memory else []),
            *(["--string-length", str(self.string_length)] if self.string_length else []),
        ]


LOADS = (
    Load("grpc-1", "64 B gRPC, 1 client", "grpc", 1, 16, 1.5),
    Load("grpc-8", "64 B gRPC, 8 clients", "grpc", 8, 16, 1.5),
    Load("grpc-32", "64 B gRPC, 32 clients", "grpc", 32, 16, 1.25),
    Load("http-1", "64 B HTTP, 1 client", "http", 1, 16, 1.5),
    Load("strings-1", "1000 × 20 B strings gRPC, 1 client", "grpc", 1, 1000, 3.0, string_length=20),
    Load("shm-600k", "600 KB client shm, 1 client", "grpc", 1, 150_000, 1.4, client_shared_memory=True),
    Load("shm-16m", "16 MB client shm, 1 client", "grpc", 1, 4_000_000, 3.0, client_shared_memory=True),
)

FURTHER = (
    Load("shm-600k-8", "600 KB client shm, 8 clients", "grpc", 8, 150_000, 1.0, client_shared_memory=True),
    Load("shm-600k-32", "600 KB client shm, 32 clients", "grpc", 32, 150_000, 1.0, client_shared_memory=True),
)
"""Loads that are not in the table."""


def loads_named(names: str | None) -> tuple[Load, ...]:
    """The loads of a comma-separated list, in the table's order; the table's for None."""
    if names is None:
        return LOADS
    wanted = {name for name in re.split(r"[,\s]+", names) if name}
    known = {load.name for load in (*LOADS, *FURTHER)}
    if unknown := sorted(wanted - known):
        raise BenchmarkError(f"--loads: unknown load {', '.join(unknown)}; choose from {', '.join(sorted(known))}")
    return tuple(load for load in (*LOADS, *FURTHER) if load.name in wanted)
