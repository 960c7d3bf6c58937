"""Which models a server is started with; the same for every server. Runs in the benchmark process."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from attrs import frozen

SOURCES = Path(__file__).parent.parent / "models"


@frozen
class Models:
    """`identity` (y = x), or so many of `add_sub` (sum, difference); FP32 (-1,), batches of up to 64."""

    kind: Literal["identity", "add_sub"]
    count: int = 1

    @property
    def names(self) -> list[str]:
        """The names they are served under."""
        return ["identity"] if self.kind == "identity" else [f"add_sub_{index:02}" for index in range(self.count)]

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("x",) if self.kind == "identity" else ("a", "b")

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("y",) if self.kind == "identity" else ("sum", "difference")

    def source(self, server: str) -> Path:
        """The callable as it is written for one server."""
        return SOURCES / server / f"{self.kind}.py"
