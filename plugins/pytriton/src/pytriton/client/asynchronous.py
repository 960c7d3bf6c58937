"""`AsyncioModelClient` and `AsyncioDecoupledModelClient`, for `async` functions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import Any, TypeVar

from pytriton.client.base import ASYNCIO_INIT_TIMEOUT, BaseModelClient, seconds
from pytriton.client.calls import Call, Outputs, Value, check_kind, checked_call
from pytriton.client.description import config_of
from pytriton.client.failures import translated, translated_wait
from pytriton.model_config.triton_model_config import TritonModelConfig
from pytriton_plugins.client import AsyncClient

Kind = TypeVar("Kind", bound="AsyncioModelClient")


class AsyncioModelClient(BaseModelClient):
    """Calls one model from one event loop; the parameters are those of `BaseModelClient`.

    ``lazy_init=False`` waits for the model in ``async with``.
    """

    _default_init_timeout = ASYNCIO_INIT_TIMEOUT

    def _open(self) -> None:
        with translated():
            self._client = AsyncClient(**self._client_options())
        self._model = self._client[self._key]

    async def infer_sample(
        self,
        *inputs: Any,
        parameters: Mapping[str, Value] | None = None,
        headers: Mapping[str, Value] | None = None,
        **named_inputs: Any,
    ) -> Outputs:
        """Send one sample, without the batch axis, and return the outputs by name, without it too.

        The inputs are arrays, all by position or all by keyword. Raises PyTritonClientError.
        """
        return await self._infer(checked_call(inputs, named_inputs, parameters, headers, is_batch=False))

    async def infer_batch(
        self,
        *inputs: Any,
        parameters: Mapping[str, Value] | None = None,
        headers: Mapping[str, Value] | None = None,
        **named_inputs: Any,
    ) -> Outputs:
        """The same for a batch: the first axis of each input and output is the batch."""
        return await self._infer(checked_call(inputs, named_inputs, parameters, headers, is_batch=True))

    async def wait_for_model(self, timeout_s: float) -> None:
        """Wait until the model is ready; raises PyTritonClientTimeoutError after so many seconds."""
        self._check_open()
        with translated_wait():
            await self._model.wait(seconds(timeout_s, timeout_s))
        self._is_ready = True

    @property
    async def model_config(self) -> TritonModelConfig:
        """To be awaited: what the server says about the model, when it is ready. Raises PyTritonClientError."""
        if self._config is None:
            await self.wait_for_model(self._init_timeout)
            with translated(self._closed):
                self._config = config_of(await self._model.describe(), self._key[1])
        return self._config

    async def close(self) -> None:
        """Close the connections; requests in flight fail with PyTritonClientClosedError."""
        self._is_closed = True
        await self._client.close()

    async def __aenter__(self: Kind) -> Kind:
        try:
            if not self._is_lazy:
                await self._prepared()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _prepared(self) -> TritonModelConfig:
        """The configuration, once the model is ready."""
        self._check_open()
        if not self._is_ready:
            await self.wait_for_model(self._init_timeout)
        return await self.model_config

    async def _infer(self, call: Call) -> Outputs:
        config = await self._prepared()
        check_kind(config, streams=False)
        arrays = call.arrays(config)
        with translated(self._closed):
            result = await self._model(arrays, **self._call_options(call))
        return call.outputs(result, config)


class AsyncioDecoupledModelClient(AsyncioModelClient):
    """Calls one model that yields any number of responses to a request; over gRPC only.

    The parameters are those of `BaseModelClient`; ``inference_timeout_s`` is for each response.
    """

    _streams = True

    def infer_sample(  # type: ignore[override]
        self,
        *inputs: Any,
        parameters: Mapping[str, Value] | None = None,
        headers: Mapping[str, Value] | None = None,
        **named_inputs: Any,
    ) -> AsyncGenerator[Outputs, None]:
        """Send one sample and yield the outputs of each response as it arrives; closing it cancels the request."""
        return self._stream(checked_call(inputs, named_inputs, parameters, headers, is_batch=False))

    def infer_batch(  # type: ignore[override]
        self,
        *inputs: Any,
        parameters: Mapping[str, Value] | None = None,
        headers: Mapping[str, Value] | None = None,
        **named_inputs: Any,
    ) -> AsyncGenerator[Outputs, None]:
        """The same for a batch: the first axis of each input and output is the batch."""
        return self._stream(checked_call(inputs, named_inputs, parameters, headers, is_batch=True))

    async def _stream(self, call: Call) -> AsyncGenerator[Outputs, None]:
        config = await self._prepared()
        check_kind(config, streams=True)
        arrays = call.arrays(config)
        responses = self._model.stream(arrays, **self._stream_options(call))
        try:
            with translated(self._closed):
                async for result in responses:
                    yield call.outputs(result, config)
        finally:
            await responses.aclose()
