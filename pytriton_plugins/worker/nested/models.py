"""`Models` and `CalledModel`: what a callable sees of the models that it may call."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pytriton_plugins.shm import wire
from pytriton_plugins.text import one_line
from pytriton_plugins.worker.log import report
from pytriton_plugins.worker.nested.call_stream import CallStream
from pytriton_plugins.worker.nested.request import (
    NO_OPTIONS,
    CallOptions,
    CallRequest,
    Limit,
    Target,
    checked_id,
    checked_options,
    checked_timeout,
)

if TYPE_CHECKING:
    from pytriton_plugins.model.declaration import ModelDeclaration
    from pytriton_plugins.shm.details import Detail, Value
    from pytriton_plugins.worker.nested.exchange import Exchange
    from pytriton_plugins.worker.nested.results import Outputs


class Caller(Protocol):
    """The batch whose callable calls."""

    @property
    def model(self) -> str:
        """The name of its model."""

    @property
    def started(self) -> float:
        """When the worker got it, by the monotonic clock."""

    @property
    def deadline(self) -> float | None:
        """When the model's timeout ends."""

    @property
    def running(self) -> Sequence[Detail]:
        """The details of the requests that its callable runs now; none if the batch has none."""

    @property
    def running_key(self) -> tuple[bytes, int | None]:
        """Equal for equal details in `running`."""


class CallDirectory:
    """The models that one channel has called, and which of them its model declares."""

    def __init__(self, declaration: ModelDeclaration, undeclared: set[str]) -> None:
        """``undeclared``: those that were logged already; all channels of a worker share it."""
        self._declaration = declaration
        self._undeclared = undeclared
        self._targets: dict[Any, Target] = {}
        self._running: tuple[bytes, int | None] | None = None
        """The key of the last requests, which hand on `_defaults`."""
        self._defaults = NO_OPTIONS, 0

    def target(self, key: Any) -> Target:
        """The model of ``ctx.models[key]``; raises TypeError."""
        if not isinstance(key, str):
            key = checked_key(key)  # a part of it may have no hash
        found = self._targets.get(key)
        if found is None:
            name, version = checked_key(key)
            found = self._targets[key] = Target(name, version)
            self._note(name, version)
        return found

    def defaults(self, target: Target, caller: Caller) -> tuple[CallOptions, int]:
        """The options that the requests of a batch hand on, and how many microseconds they leave; 0: no limit."""
        key = caller.running_key
        if key != self._running:
            details = caller.running
            options = CallOptions((), b"", 0, checked_id(target, details[0].id if details else ""), 0, 0, 0)
            timeouts = [detail.timeout for detail in details]
            self._defaults = options, max(timeouts) if timeouts and all(timeouts) else 0
            self._running = key
        return self._defaults

    def _note(self, name: str, version: int) -> None:
        declaration = self._declaration
        if not declaration.declares_call(name, version) and name not in self._undeclared:
            self._undeclared.add(name)
            report(
                logging.WARNING,
                "model %s calls model %s, which it does not declare; write calls=[%r] in @infer_func, so that it is "
                "loaded first",
                declaration.name,
                name,
                name,
            )


class Models:
    """The models of this Triton, by name: ``ctx.models["resnet"]``, or by name and version: ``["resnet", 2]``.

    Nothing is sent before a model is called: the worker does not know which models there are. So it cannot be iterated,
    and ``in`` raises TypeError.
    """

    __contains__: None = None
    __iter__: None = None

    def __init__(self, exchange: Exchange, directory: CallDirectory, caller: Caller) -> None:
        self._exchange = exchange
        self._directory = directory
        self._caller = weakref.ref(caller)
        self._options: CallOptions | None = None
        self._limit: Limit | None = None

    def __getitem__(self, key: str | tuple[str, int]) -> CalledModel:
        """The model of that name; raises TypeError for an invalid one."""
        return CalledModel(self, self._directory.target(key))

    def _defaults(self, target: Target) -> tuple[CallOptions, Limit | None]:
        """The options and the limit that the batch's requests hand on; raises RuntimeError once it is answered."""
        caller = self._caller()
        if caller is None:
            self._exchange.check(None)
        assert caller is not None
        options, timeout = self._directory.defaults(target, caller)
        if timeout or caller.deadline is not None:
            self._limit = _limit(caller, timeout)
        self._options = options
        return options, self._limit

    def _request(
        self,
        target: Target,
        inputs: Mapping[str, Any] | None,
        named: Mapping[str, Any],
        given: tuple[Any, ...],
        flags: int = 0,
    ) -> CallRequest:
        options, limit = self._options, self._limit
        if options is None:
            options, limit = self._defaults(target)
        if flags or given != _NOTHING_GIVEN:
            options, limit = _chosen(target, options, limit, given, flags)
        arrays = target.builder.build(inputs, named, options.outputs)
        return CallRequest(self._caller(), target, arrays, options, limit)


_NOTHING_GIVEN = (None, None, None, None, 0, 0, False, False)


class CalledModel:
    """One model of this Triton: ``ctx.models[name]``."""

    __slots__ = ("_models", "_target")

    def __init__(self, models: Models, target: Target) -> None:
        self._models = models
        self._target = target

    def __repr__(self) -> str:
        version = f", {self._target.version}" if self._target.version > 0 else ""
        return f"ctx.models[{self._target.name!r}{version}]"

    def __call__(
        self,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        outputs: Sequence[str] | None = None,
        parameters: Mapping[str, Value] | None = None,
        timeout: float | None = None,
        id: str | None = None,
        priority: int = 0,
        sequence_id: int = 0,
        sequence_start: bool = False,
        sequence_end: bool = False,
        **named: Any,
    ) -> Outputs:
        """Call the model and return its outputs by name.

        :param inputs: the inputs by name, for names that are not keywords, or are options
        :param named: the inputs by keyword: arrays in the shapes that clients send, the batch axis first; lists,
            numbers, ``str`` and ``bytes`` are converted as numpy does it
        :param outputs: the wanted outputs; all without names
        :param parameters: of the request
        :param timeout: seconds for the response; never longer than the rest of the callers' own timeouts, of which the
            clients' count from the start of the batch
        :param id: of the request; that of the first request of the batch without one
        :param priority: in the queue of the called model, 1 is the highest; 0 is the model's default
        :param sequence_id: of the sequence that it belongs to, with ``sequence_start`` and ``sequence_end``

        Raises ModelCallError, and RuntimeError once the batch is answered, or in the thread of an event loop.
        """
        given = outputs, parameters, timeout, id, priority, sequence_id, sequence_start, sequence_end
        models = self._models
        return models._exchange.call(models._request(self._target, inputs, named, given))

    async def call(
        self,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        outputs: Sequence[str] | None = None,
        parameters: Mapping[str, Value] | None = None,
        timeout: float | None = None,
        id: str | None = None,
        priority: int = 0,
        sequence_id: int = 0,
        sequence_start: bool = False,
        sequence_end: bool = False,
        **named: Any,
    ) -> Outputs:
        """The same for ``await``: several calls overlap in ``asyncio.gather``. A task that is cancelled cancels it."""
        given = outputs, parameters, timeout, id, priority, sequence_id, sequence_start, sequence_end
        models = self._models
        return await models._exchange.call_async(models._request(self._target, inputs, named, given))

    def stream(
        self,
        inputs: Mapping[str, Any] | None = None,
        /,
        *,
        outputs: Sequence[str] | None = None,
        parameters: Mapping[str, Value] | None = None,
        timeout: float | None = None,
        id: str | None = None,
        priority: int = 0,
        sequence_id: int = 0,
        sequence_start: bool = False,
        sequence_end: bool = False,
        **named: Any,
    ) -> CallStream:
        """Call the model when the first response is asked for, and yield each response: ``for`` or ``async for``.

        Leaving the loop, or ``close``, cancels the call. ``timeout`` is for the whole stream.
        """
        given = outputs, parameters, timeout, id, priority, sequence_id, sequence_start, sequence_end
        models = self._models
        return CallStream(models._exchange, models._request(self._target, inputs, named, given, wire.CALL_STREAM))


def checked_key(key: Any) -> tuple[str, int]:
    """Name and version, 0 for the newest, of ``ctx.models[key]``; raises TypeError."""
    name, version = key if isinstance(key, tuple) and len(key) == 2 else (key, 0)
    is_version = isinstance(version, int) and not isinstance(version, bool) and 0 <= version < 1 << 62
    if not isinstance(name, str) or not name or "\0" in name or len(name.encode(errors="replace")) > 255:
        is_version = False
    if not is_version:
        raise TypeError(
            f'invalid model {one_line(repr(key), 60)}: write ctx.models["NAME"] or ctx.models["NAME", VERSION]'
        )
    return name, version


def _limit(caller: Caller, timeout: int) -> Limit | None:
    """The time that the batch's requests leave: of the model's timeout a little less, so that its worker can answer."""
    limits = []
    if caller.deadline is not None:
        left = caller.deadline - caller.started
        seconds = left - min(0.2, left / 10)
        limits.append(Limit(caller.started + seconds, seconds, f"the timeout of model {caller.model!r}"))
    if timeout:
        seconds = timeout / 1e6
        limits.append(Limit(caller.started + seconds, seconds, "the timeout of the client"))
    return min(limits, default=None)


def _chosen(
    target: Target, defaults: CallOptions, limit: Limit | None, given: tuple[Any, ...], flags: int
) -> tuple[CallOptions, Limit | None]:
    outputs, parameters, timeout, id, priority, sequence_id, start, end = given
    flags |= (wire.CALL_START if start else 0) | (wire.CALL_END if end else 0)
    options = checked_options(
        target,
        outputs=outputs,
        parameters=parameters,
        id="" if id is None else id,
        priority=priority,
        sequence_id=sequence_id,
        flags=flags,
    )
    if id is None:
        options = options._replace(id=defaults.id)
    seconds = checked_timeout(target, timeout)
    if seconds is not None:
        own = Limit(time.monotonic() + seconds, seconds, "timeout=")
        limit = own if limit is None else min(own, limit)
    return options, limit
