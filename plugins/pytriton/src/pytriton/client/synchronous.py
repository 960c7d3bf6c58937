"""`ModelClient` and `DecoupledModelClient`, for ordinary functions and threads."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from types import TracebackType
from typing import Any, TypeVar

from pytriton.client.base import BaseModelClient, seconds
from pytriton.client.calls import Call, Outputs, Value, check_kind, checked_call
from pytriton.client.description import config_of
from pytriton.client.failures import translated, translated_wait, unsupported
from pytriton.model_config.triton_model_config import TritonModelConfig
from pytriton_plugins.client import Client

Kind = TypeVar("Kind", bound="ModelClient")


class ModelClient(BaseModelClient):
    """Calls one model, from any thread; the parameters are those of `BaseModelClient`."""

    def _open(self) -> None:
        with translated():
            self._client = Client(**self._client_options())
        self._model = self._client[self._key]
        if not self._is_lazy:
            self._initialise()

    def infer_sample(
        self,
        *inputs: Any,
        parameters: Mapping[str, Value] | None = None,
        headers: Mapping[str, Value] | None = None,
        **named_inputs: Any,
    ) -> Outputs:
        """Send one sample, without the batch axis, and return the outputs by name, without it too.

        The inputs are arrays, all by position or all by keyword. Raises PyTritonClientError.
        """
        return self._infer(checked_call(inputs, named_inputs, parameters, headers, is_batch=False))

    def infer_batch(
        self,
        *inputs: Any,
        parameters: Mapping[str, Value] | None = None,
        headers: Mapping[str, Value] | None = None,
        **named_inputs: Any,
    ) -> Outputs:
        """The same for a batch: the first axis of each input and output is the batch."""
        return self._infer(checked_call(inputs, named_inputs, parameters, headers, is_batch=True))

    def wait_for_model(self, timeout_s: float) -> None:
        """Wait until the model is ready; raises PyTritonClientTimeoutError after so many seconds."""
        self._check_open()
        with translated_wait():
            self._model.wait(seconds(timeout_s, timeout_s))
        self._is_ready = True

    def wait_for_server(self, timeout_s: float) -> None:
        """Wait until the server is ready; raises PyTritonClientTimeoutError after so many seconds."""
        self._check_open()
        with translated_wait():
            self._client.wait(seconds(timeout_s, timeout_s))

    @property
    def model_config(self) -> TritonModelConfig:
        """What the server says about the model; waits until it is ready. Raises PyTritonClientError."""
        if self._config is None:
            self.wait_for_model(self._init_timeout)
            with translated(self._closed):
                self._config = config_of(self._model.describe(), self._key[1])
        return self._config

    @property
    def is_batching_supported(self) -> bool:
        """Whether the model has a batch axis."""
        return self.model_config.batching

    def load_model(self, config: str | None = None, files: Mapping[str, bytes] | None = None) -> None:
        """Not supported: clients may not load models. Raises PyTritonClientInferenceServerError, which says how."""
        raise unsupported("load_model", f"run: pytriton-host models load {self._key[0]}")

    def unload_model(self) -> None:
        """Not supported: clients may not unload models. Raises PyTritonClientInferenceServerError, which says how."""
        raise unsupported("unload_model", f"run: pytriton-host models unload {self._key[0]}")

    def close(self) -> None:
        """Close the connections; requests in flight fail with PyTritonClientClosedError."""
        self._is_closed = True
        self._client.close()

    def __enter__(self: Kind) -> Kind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _initialise(self) -> None:
        try:
            self._prepared()
        except BaseException:
            self.close()
            raise

    def _prepared(self) -> TritonModelConfig:
        """The configuration, once the model is ready."""
        self._check_open()
        if not self._is_ready:
            self.wait_for_model(self._init_timeout)
        return self.model_config

    def _infer(self, call: Call) -> Outputs:
        config = self._prepared()
        check_kind(config, streams=False)
        arrays = call.arrays(config)
        with translated(self._closed):
            result = self._model(arrays, **self._call_options(call))
        return call.outputs(result, config)


class DecoupledModelClient(ModelClient):
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
    ) -> Generator[Outputs, None, None]:
        """Send one sample and yield the outputs of each response as it arrives; closing it cancels the request."""
        return self._stream(checked_call(inputs, named_inputs, parameters, headers, is_batch=False))

    def infer_batch(  # type: ignore[override]
        self,
        *inputs: Any,
        parameters: Mapping[str, Value] | None = None,
        headers: Mapping[str, Value] | None = None,
        **named_inputs: Any,
    ) -> Generator[Outputs, None, None]:
        """The same for a batch: the first axis of each input and output is the batch."""
        return self._stream(checked_call(inputs, named_inputs, parameters, headers, is_batch=True))

    def _stream(self, call: Call) -> Generator[Outputs, None, None]:
        config = self._prepared()
        check_kind(config, streams=True)
        arrays = call.arrays(config)
        with translated(self._closed):
            for result in self._model.stream(arrays, **self._stream_options(call)):
                yield call.outputs(result, config)
