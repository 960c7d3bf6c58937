"""Loading and unloading models through tritonserver's gRPC control API; runs in the host's event loop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytriton_plugins.errors import ServerError
from pytriton_plugins.text import one_line

if TYPE_CHECKING:
    from tritonclient.grpc.aio import InferenceServerClient

_PREFIX = "triton-grpc-protocol-"
_LONGEST = 1000
"""Characters of a reason that are shown."""


class Control:
    """A gRPC client of our own tritonserver; gRPC because a slow HTTP load would hold up ``/v2/health/live``."""

    def __init__(self, url: str, secret: tuple[str, str]) -> None:
        """``secret``: header and value that open the closed categories."""
        # Imported here: it takes a good part of the start-up, and by now the children are starting beside it.
        from tritonclient.grpc.aio import InferenceServerClient

        self._client: InferenceServerClient = InferenceServerClient(url)
        self._headers = {_PREFIX + secret[0]: secret[1]}

    async def load(self, name: str, config: dict[str, Any] | None = None, *, timeout: float | None = None) -> None:
        """Load ``name`` with ``config``; raises ServerError with Triton's reason."""
        text = None if config is None else json.dumps(config)
        await self._call(self._client.load_model(name, headers=self._headers, config=text, client_timeout=timeout))

    async def unload(self, name: str, *, timeout: float | None = None) -> None:
        """Unload ``name``; raises ServerError with Triton's reason."""
        await self._call(self._client.unload_model(name, headers=self._headers, client_timeout=timeout))

    async def version(self, timeout: float) -> str:
        """Triton's own version; raises ServerError."""
        answer = await self._call(self._client.get_server_metadata(client_timeout=timeout))
        return str(answer.version)

    async def close(self) -> None:
        await self._client.close()

    async def _call(self, call: Any) -> Any:
        from tritonclient.utils import InferenceServerException

        try:
            return await call
        except InferenceServerException as error:
            # Triton ends the reason for each version of a model with a semicolon and a line end.
            raise ServerError(one_line(error.message() or str(error), _LONGEST).rstrip("; ")) from None
