"""One call from CALL to the RESULT that ends it."""

from __future__ import annotations

from typing import Any

from pytriton_plugins.errors import ModelCallError
from pytriton_plugins.worker.nested.memory import Region
from pytriton_plugins.worker.nested.request import CallRequest
from pytriton_plugins.worker.nested.results import Outputs


class OpenCall:
    """A call that is open, or has ended; its exchange changes it."""

    __slots__ = (
        "abandoned",
        "awaited",
        "ended",
        "error",
        "first",
        "held",
        "number",
        "outputs",
        "region",
        "request",
        "streams",
        "waiter",
    )

    def __init__(self, number: int, request: CallRequest, region: Region, area: Region, streams: bool) -> None:
        self.number = number
        self.request = request
        self.first = region
        """The inputs, and the first area of a call that does not stream."""
        self.region = area
        """The area of the next response."""
        self.streams = streams
        self.held: Any = request.inputs.arrays
        """Inputs that the backend reads where they lie."""
        self.outputs: Outputs | None = None
        """A response that was not taken yet."""
        self.error: ModelCallError | None = None
        self.ended = False
        self.abandoned = False
        self.awaited = not streams
        """Whether somebody waits for it."""
        self.waiter: Any = None

    def has_news(self) -> bool:
        return self.ended or self.outputs is not None or self.error is not None

    def take_error(self) -> ModelCallError:
        """The error, to be raised at once.

        The call forgets it: the error's frames refer to the call, and to the arrays of the batch, whose segments would
        stay until the garbage collector finds the circle.
        """
        error, self.error = self.error, None
        assert error is not None
        return error

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for it: a stream that is not read."""
        return not self.awaited and not self.abandoned
