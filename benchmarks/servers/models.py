"""Which models a server is started with; the same for every server. Runs in the benchmark process."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from attrs import frozen

SOURCES = Path(__file__).parent.parent / "models"

Kind = Literal["identity", "identity_empty", "strings", "slow", "add_sub", "faulty"]
DataType = Literal["FP32", "BYTES"]


@frozen
class Model:
    """`add_sub` has two inputs, sum and difference; all others y = x. (-1,), batches of 64."""

    name: str
    kind: Kind

    @property
    def data_type(self) -> DataType:
        return "BYTES" if self.kind == "strings" else "FP32"

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("a", "b") if self.kind == "add_sub" else ("x",)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("sum", "difference") if self.kind == "add_sub" else ("y",)

    def source(self, server: str) -> Path:
        """The callable as it is written for one server."""
        return SOURCES / server / f"{self.kind}.py"


@frozen
class Models:
    """What one server serves."""

    models: tuple[Model, ...]

    @property
    def names(self) -> list[str]:
        """The names they are served under."""
        return [model.name for model in self.models]


OF_THE_SOAK = Models((Model("identity", "identity"), Model("strings", "strings"), Model("slow", "slow")))
OF_THE_TABLE = Models((Model("identity", "identity"), Model("strings", "strings")))


def add_subs(count: int) -> Models:
    """So many models that are alike but for their names."""
    return Models(tuple(Model(f"add_sub_{index:02}", "add_sub") for index in range(count)))
