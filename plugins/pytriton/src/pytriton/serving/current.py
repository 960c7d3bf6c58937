"""The model whose callable runs in this thread: decorators ask for it."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

from pytriton.serving.model import BoundModel

_current: contextvars.ContextVar[BoundModel | None] = contextvars.ContextVar("pytriton_model", default=None)


def current_model() -> BoundModel | None:
    """The model that is being called; None outside of a server's call."""
    return _current.get()


@contextlib.contextmanager
def called(model: BoundModel) -> Iterator[None]:
    """Within it, decorators see ``model``."""
    token = _current.set(model)
    try:
        yield
    finally:
        _current.reset(token)
