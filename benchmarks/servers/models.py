"""The models of a server; the same for every server."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from attrs import frozen

SOURCES = Path(__file__).parent.parent / "models"

Kind = Literal[
    "identity",
    "identity_empty",
    "strings",
    "slow",
    "add_sub",
    "faulty",
    "nested_call",
    "nested_grpc",
    "chained",
    "chained_wide",
    "pipeline",
    "doubled",
    "shifted",
    "halved",
]
DataType = Literal["FP32", "BYTES", "INT64"]
NESTED: tuple[Kind, ...] = ("nested_call", "nested_grpc")
"""They call the identity model and return the time of each call."""

PIPELINE: tuple[Kind, ...] = ("doubled", "shifted", "halved", "chained", "chained_wide", "pipeline")
"""Three steps, the first of them twice more with calls of the others, and a model that only calls the three."""


@frozen
class Model:
    """`add_sub` returns the sum and the difference of two inputs, `NESTED` return times, all others y of one x.

    Shape (-1,), batches of 64.
    """

    name: str
    kind: Kind

    @property
    def data_type(self) -> DataType:
        return "BYTES" if self.kind == "strings" else "INT64" if self.kind in NESTED else "FP32"

    @property
    def inputs(self) -> tuple[str, ...]:
        if self.kind in NESTED:
            return ("elements", "calls")
        return ("a", "b") if self.kind == "add_sub" else ("x",)

    @property
    def outputs(self) -> tuple[str, ...]:
        if self.kind in NESTED:
            return ("nanoseconds",)
        return ("sum", "difference") if self.kind == "add_sub" else ("y",)

    def source(self, server: str) -> Path:
        """The source of the callable for one server."""
        return SOURCES / server / f"{self.kind}.py"


@frozen
class Models:
    """The models of one server."""

    models: tuple[Model, ...]

    @property
    def names(self) -> list[str]:
        """The names they are served under."""
        return [model.name for model in self.models]


OF_THE_SOAK = Models((Model("identity", "identity"), Model("strings", "strings"), Model("slow", "slow")))
OF_THE_TABLE = Models((Model("identity", "identity"), Model("strings", "strings")))
OF_OUR_CALLS = Models(tuple(Model(kind, kind) for kind in ("identity", *NESTED, *PIPELINE)))
OF_BLS = Models((Model("identity", "identity"), Model("nested_call", "nested_call")))


def add_subs(count: int) -> Models:
    """`count` models that differ only in their names."""
    return Models(tuple(Model(f"add_sub_{index:02}", "add_sub") for index in range(count)))
