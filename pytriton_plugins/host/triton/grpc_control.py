"""Loads and unloads models through tritonserver's gRPC control API."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from pytriton_plugins.errors import NoThreadsLeft, ServerError, ServerGone
from pytriton_plugins.host.memory.system_limits import process_headroom
from pytriton_plugins.host.system.child import Child
from pytriton_plugins.host.system.resource_limits import PROCESS_REMEDY
from pytriton_plugins.host.tasks import discard
from pytriton_plugins.host.triton.grpc_import import no_fork_handlers
from pytriton_plugins.text import one_line

if TYPE_CHECKING:
    from tritonclient.grpc.aio import InferenceServerClient

_PREFIX = "triton-grpc-protocol-"
_GONE = ("StatusCode.UNAVAILABLE", "StatusCode.CANCELLED")
"""The status of a call whose connection broke."""

_CHANNEL = [("grpc.use_local_subchannel_pool", 1)]
"""Otherwise a channel to the next server inherits the back-off of the channel to the last one, at the same address."""

_OPEN_TIMEOUT = 10.0
_POLL_INTERVAL = 0.01
"""Seconds until the port must be open, and between two attempts."""

_THREADS_PER_CALL = 4
"""One of its own and one of its model, and two to spare."""

_MAX_REASON = 1000
"""Characters of a reason that are shown."""


class GrpcControl:
    """A gRPC client of our own tritonserver; gRPC because a slow HTTP load would hold up ``/v2/health/live``."""

    def __init__(self, url: str, secret: tuple[str, str], server: Child) -> None:
        """``secret``: header and value that open the closed categories; ``server``: the process."""
        # Imported here: it takes a good part of the start-up, and by now the children are starting beside it.
        with no_fork_handlers():
            from tritonclient.grpc.aio import InferenceServerClient

            self._client: InferenceServerClient = InferenceServerClient(url, channel_args=_CHANNEL)
        self._address = url.rsplit(":", 1)
        self._server = server
        self._is_open = False
        self._headers = {_PREFIX + secret[0]: secret[1]}

    async def load(self, name: str, config: dict[str, Any] | None = None, *, timeout: float | None = None) -> None:
        """Load ``name`` with ``config``; raises ServerError with Triton's reason, ServerGone without a server.

        Here and in `unload` NoThreadsLeft is raised where the call would end the server.
        """
        instances = sum(group.get("count", 1) for group in (config or {}).get("instance_group", [{}]))
        _check_threads(_THREADS_PER_CALL + instances)
        text = None if config is None else json.dumps(config)
        await self._call(self._client.load_model, name, config=text, client_timeout=timeout)

    async def unload(self, name: str, *, timeout: float | None = None) -> None:
        """Unload ``name``; raises ServerError with Triton's reason."""
        _check_threads(_THREADS_PER_CALL)
        await self._call(self._client.unload_model, name, client_timeout=timeout)

    async def unload_all(self, timeout: float) -> None:
        """Unload every loaded model; raises ServerError with Triton's reason."""
        index = await self._call(self._client.get_model_repository_index, client_timeout=timeout)
        names = {model.name for model in index.models if model.state == "READY"}
        await asyncio.gather(*(self.unload(name, timeout=timeout) for name in names))

    async def version(self, timeout: float) -> str:
        """The version of tritonserver, such as 2.51.0; raises ServerError."""
        answer = await self._call(self._client.get_server_metadata, client_timeout=timeout)
        return one_line(answer.version, 40)

    async def states(self, timeout: float) -> dict[tuple[str, str], str]:
        """The state of each name and version that Triton knows, such as READY; raises ServerError."""
        answer = await self._call(self._client.get_model_repository_index, client_timeout=timeout)
        return {(model.name, model.version): model.state for model in answer.models}

    async def close(self) -> None:
        await self._client.close()

    async def _opened(self) -> None:
        """Wait for the port: our backend answers before it is open, and a client that is refused waits a second."""
        host, port = self._address
        deadline = time.monotonic() + _OPEN_TIMEOUT
        while self._server.running and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                writer.close()
                self._is_open = True
                return
            await asyncio.sleep(_POLL_INTERVAL)

    async def _call(self, call: Callable[..., Awaitable[Any]], *arguments: str, **more: Any) -> Any:
        from tritonclient.utils import InferenceServerException

        try:
            if not self._is_open:
                await self._opened()
            if not self._server.running:
                raise ServerGone("tritonserver ended")
            # A call that is open when the client is closed is cancelled by it, which must not look as if we were.
            calling = asyncio.ensure_future(call(*arguments, headers=self._headers, **more))
            try:
                await asyncio.wait([calling])
            finally:
                discard(calling)
            if calling.cancelled():
                raise ServerGone("tritonserver ended")
            return calling.result()
        except InferenceServerException as error:
            # Triton ends the reason for each version of a model with a semicolon and a line end.
            kind = ServerGone if error.status() in _GONE else ServerError
            raise kind(one_line(error.message() or str(error), _MAX_REASON).rstrip("; ")) from None


def _check_threads(needed: int) -> None:
    """Raise NoThreadsLeft unless tritonserver may start ``needed`` threads: it aborts when one cannot be started."""
    left = process_headroom()
    if needed > left:
        raise NoThreadsLeft(
            f"tritonserver needs {needed} more threads and {max(0, left)} are allowed here; {PROCESS_REMEDY}"
        )
