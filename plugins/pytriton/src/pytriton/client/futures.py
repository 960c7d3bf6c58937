"""`FuturesModelClient`: requests as `concurrent.futures.Future`."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar

from pytriton.client.calls import Call, Outputs, Value, check_kind, checked_call
from pytriton.client.exceptions import PyTritonClientValueError
from pytriton.client.failures import translated
from pytriton.client.queueing import RequestQueue, settle
from pytriton.client.synchronous import ModelClient
from pytriton.model_config.triton_model_config import TritonModelConfig

Answer = TypeVar("Answer")


class FuturesModelClient:
    """Calls one model, from any thread, and returns futures; their order of sending is the order of the calls.

    :param max_workers: requests that are sent at once; None is unlimited
    :param max_queue_size: further requests that wait; None is unlimited
    :param non_blocking: raise PyTritonClientQueueFullError for more, instead of waiting for a place

    The other parameters are those of `BaseModelClient`. `Future.cancel` also cancels a request that was sent.
    """

    def __init__(
        self,
        url: str,
        model_name: str,
        model_version: str | None = None,
        *,
        max_workers: int | None = 128,
        max_queue_size: int | None = 128,
        non_blocking: bool = False,
        init_timeout_s: float | None = None,
        inference_timeout_s: float | None = None,
    ) -> None:
        _check_positive("max_workers", max_workers)
        _check_positive("max_queue_size", max_queue_size)
        timeouts = {"init_timeout_s": init_timeout_s, "inference_timeout_s": inference_timeout_s}
        self._sender = _Sender(url, model_name, model_version, **timeouts)
        self._is_blocking = not non_blocking
        self._queue = RequestQueue(self._sender, max_workers, max_queue_size)
        self._finalizer = weakref.finalize(self, self._queue.close)

    def infer_sample(
        self,
        *inputs: Any,
        parameters: Mapping[str, Value] | None = None,
        headers: Mapping[str, Value] | None = None,
        **named_inputs: Any,
    ) -> Future[Outputs]:
        """A future of what `ModelClient.infer_sample` returns; its errors are the future's."""
        return self._put(inputs, named_inputs, parameters, headers, is_batch=False)

    def infer_batch(
        self,
        *inputs: Any,
        parameters: Mapping[str, Value] | None = None,
        headers: Mapping[str, Value] | None = None,
        **named_inputs: Any,
    ) -> Future[Outputs]:
        """A future of what `ModelClient.infer_batch` returns; its errors are the future's."""
        return self._put(inputs, named_inputs, parameters, headers, is_batch=True)

    def wait_for_model(self, timeout_s: float) -> Future[None]:
        """A future that is done when the model is ready, and has PyTritonClientTimeoutError after so many seconds."""
        return self._aside(lambda: self._sender.wait_for_model(timeout_s))

    def model_config(self) -> Future[TritonModelConfig]:
        """A future of what the server says about the model."""
        return self._aside(lambda: self._sender.model_config)

    def close(self, wait: bool = True) -> None:
        """Take no more requests; those that were taken are answered, and ``wait`` waits for that."""
        self._queue.close()
        if wait:
            self._queue.join()

    def __enter__(self) -> FuturesModelClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _put(self, inputs: Any, named: Any, parameters: Any, headers: Any, *, is_batch: bool) -> Future[Outputs]:
        self._queue.check_open()
        try:
            call = checked_call(inputs, named, parameters, headers, is_batch=is_batch)
        except PyTritonClientValueError as error:
            failed: Future[Outputs] = Future()
            failed.set_exception(error)
            return failed
        return self._queue.put(call, block=self._is_blocking)

    def _aside(self, answer: Callable[[], Answer]) -> Future[Answer]:
        """A future of ``answer``, which runs in a thread of its own: it has no turn, and delays no request."""
        self._queue.check_open()
        future: Future[Answer] = Future()
        self._sender.aside(lambda: settle(future, answer))
        return future


class _Sender(ModelClient):
    """The client that all requests share, as `RequestQueue` calls it."""

    def __init__(self, *model: Any, **timeouts: Any) -> None:
        super().__init__(*model, **timeouts)
        self._asides: list[threading.Thread] = []

    def prepare(self) -> object:
        return self._prepared()

    def begin(self, call: Call) -> Future[Any]:
        config = self._prepared()
        check_kind(config, streams=False)
        arrays = call.arrays(config)
        with translated(self._closed):
            return self._model.submit(arrays, **self._call_options(call))

    def finish(self, call: Call, response: Future[Any]) -> Outputs:
        with translated(self._closed):
            return call.outputs(response.result(), self.model_config)

    def end(self) -> None:
        for thread in self._asides:
            thread.join()
        self.close()

    def aside(self, function: Callable[[], None]) -> None:
        """Run the function in a thread, which `end` waits for."""
        self._asides = [thread for thread in self._asides if thread.is_alive()]
        thread = threading.Thread(target=function, name="pytriton-aside", daemon=True)
        self._asides.append(thread)
        thread.start()


def _check_positive(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"{name}={value}: expected a number above 0, or None for unlimited")
