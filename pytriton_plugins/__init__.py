"""The names that plugin authors import; each is loaded on its first use, because every process imports this module."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = [
    "Context",
    "Host",
    "ModelCallError",
    "Request",
    "RequestError",
    "Sequence",
    "Tensor",
    "hookimpl",
    "infer_func",
]

if TYPE_CHECKING:
    from pytriton_plugins.errors import ModelCallError, RequestError
    from pytriton_plugins.hooks import hookimpl
    from pytriton_plugins.model.context import Context, Request
    from pytriton_plugins.model.infer_func import infer_func
    from pytriton_plugins.model.sequence import Sequence
    from pytriton_plugins.model.tensors import Tensor
    from pytriton_plugins.script.host import Host
else:

    def __getattr__(name: str) -> object:
        """Load a name: authors need no pluggy, hook plugins no numpy, and the init process and `health` neither."""
        if name == "RequestError":
            from pytriton_plugins.errors import RequestError as found
        elif name == "ModelCallError":
            from pytriton_plugins.errors import ModelCallError as found
        elif name == "Context":
            from pytriton_plugins.model.context import Context as found
        elif name == "Request":
            from pytriton_plugins.model.context import Request as found
        elif name == "Sequence":
            from pytriton_plugins.model.sequence import Sequence as found
        elif name == "Tensor":
            from pytriton_plugins.model.tensors import Tensor as found
        elif name == "infer_func":
            from pytriton_plugins.model.infer_func import infer_func as found
        elif name == "hookimpl":
            from pytriton_plugins.hooks import hookimpl as found
        elif name == "Host":
            from pytriton_plugins.script.host import Host as found
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
