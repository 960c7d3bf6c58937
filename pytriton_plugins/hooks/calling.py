"""The five calling rules (choose, edit, add, check, on); each answer has its plugin's name.

Each rule walks pluggy's public list of implementations instead of calling the hook: pluggy drops results that are
None, so the results of a hook call do not say which plugin gave them.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

import attrs
import pluggy

from pytriton_plugins.text import one_line
from pytriton_plugins.text.exceptions import name_of, text_of
from pytriton_plugins.values import Verdict

T = TypeVar("T")
Arguments = Mapping[str, Any]
"""The arguments of a hook by name; ``settings`` holds each plugin's own table by the plugin's label."""

Expected = type | tuple[type, ...]
OnFailure = Callable[["Failure"], None]
"""Receives each failure of a plugin: raises HookError while the daemon starts, logs and counts it later."""


@attrs.frozen
class Answer(Generic[T]):
    """The answer of a plugin; ``plugin`` is its label, such as ``memory-guard (acme-hooks 1.2)``."""

    value: T
    plugin: str


@attrs.frozen
class Failure:
    """An implementation that raised or returned the wrong type; ``message`` is one line."""

    hook: str
    plugin: str
    message: str
    error: BaseException | None = None

    def __str__(self) -> str:
        return f"hook plugin {self.plugin}: {self.hook} {self.message}"


@attrs.frozen
class Gathered(Generic[T]):
    """The result of an ``add_`` hook: items in calling order, and the plugins that failed."""

    answers: tuple[Answer[T], ...]
    broken: tuple[Failure, ...]


class Timing:
    """The time that each plugin has taken for each hook so far; written by the calling thread, read by others."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], float] = {}
        self._running: tuple[tuple[str, str], float] | None = None

    def slowest(self) -> tuple[str, str, float]:
        """Plugin, hook and seconds of the slowest, with a call that still runs; two empty texts without any call."""
        seconds, running = dict(self._seconds), self._running
        if running is not None:
            call, start = running
            seconds[call] = seconds.get(call, 0.0) + time.monotonic() - start
        calls = ((*call, duration) for call, duration in seconds.items())
        return max(calls, key=lambda each: each[2], default=("", "", 0.0))

    @contextlib.contextmanager
    def call(self, plugin: str, hook: str) -> Iterator[None]:
        """Measure one call."""
        start = time.monotonic()
        self._running = ((plugin, hook), start)
        try:
            yield
        finally:
            self._running = None
            before = self._seconds.get((plugin, hook), 0.0)
            self._seconds[plugin, hook] = before + time.monotonic() - start


_TIMING: ContextVar[Timing | None] = ContextVar("timing", default=None)


def measure(timing: Timing) -> None:
    """Measure the calls of this thread from now on."""
    _TIMING.set(timing)


def choose(caller: pluggy.HookCaller, arguments: Arguments, expected: Expected, fail: OnFailure) -> Answer[Any] | None:
    """The first answer that is not None; a plugin that fails is skipped if ``fail`` returns."""
    for impl in implementations(caller):
        answer = _ask(caller, impl, arguments, expected)
        if isinstance(answer, Failure):
            fail(answer)
        elif answer is not None:
            return Answer(answer, impl.plugin_name)
    return None


def edit(
    caller: pluggy.HookCaller, name: str, value: T, arguments: Arguments, expected: Expected, fail: OnFailure
) -> Answer[T]:
    """``value`` as changed by each plugin in turn, which gets it as argument ``name``; the answer names the last one.

    A plugin that returns the value that it got has changed nothing. Each gets a copy: changes to it count only if the
    plugin returns it.
    """
    edited = Answer(value, "")
    for impl in implementations(caller):
        answer = _ask(caller, impl, {**arguments, name: copy.deepcopy(edited.value)}, expected)
        if isinstance(answer, Failure):
            fail(answer)
        elif answer is not None and answer != edited.value:
            edited = Answer(answer, impl.plugin_name)
    return edited


def add(caller: pluggy.HookCaller, arguments: Arguments, expected: type[T], name_of: Callable[[T], str]) -> Gathered[T]:
    """The items of all plugins. Of two items with one name neither is used, and the second plugin has failed."""
    answers: dict[str, Answer[T]] = {}
    broken: list[Failure] = []
    conflicting: set[str] = set()
    for impl in implementations(caller):
        items = _items(caller, impl, arguments, expected)
        if isinstance(items, Failure):
            broken.append(items)
            continue
        for item in items:
            name = name_of(item)
            if name in answers:
                conflicting.add(name)
                broken.append(Failure(caller.name, impl.plugin_name, _conflict(name, answers[name], impl.plugin_name)))
            else:
                answers[name] = Answer(item, impl.plugin_name)
    return Gathered(tuple(answer for name, answer in answers.items() if name not in conflicting), tuple(broken))


def check(caller: pluggy.HookCaller, arguments: Arguments, fail: OnFailure | None = None) -> list[tuple[str, Verdict]]:
    """The verdict of each plugin that gave one; an exception goes to ``fail``, or without it is a failed verdict."""
    verdicts = []
    for impl in implementations(caller):
        answer = _ask(caller, impl, arguments, Verdict)
        if isinstance(answer, Failure) and fail is not None:
            fail(answer)
            continue
        if isinstance(answer, Failure):
            answer = Verdict(False, f"{caller.name} {answer.message}")
        if answer is not None:
            verdicts.append((impl.plugin_name, answer))
    return verdicts


def notify(caller: pluggy.HookCaller, arguments: Arguments, fail: OnFailure) -> None:
    """Call every plugin (rule ``on_``); results are ignored, and ``fail`` must not raise."""
    for impl in implementations(caller):
        answer = _ask(caller, impl, arguments, object)
        if isinstance(answer, Failure):
            fail(answer)


def bound(
    caller: pluggy.HookCaller, names: Sequence[str], settings: Mapping[str, Any], fail: OnFailure
) -> Callable[..., None]:
    """`notify` for the arguments ``names``, given by position, and the implementations registered now.

    For hooks that are called so often that looking up implementations takes longer than calling them.
    """
    given = (*names, "settings")
    calls = []
    for impl in implementations(caller):
        positions = tuple(given.index(name) for name in impl.argnames)
        table = settings.get(impl.plugin_name, {})
        calls.append((impl.plugin_name, _by_position(impl.function, positions, len(names), table)))

    def notify_all(*values: object) -> None:
        for plugin, call in calls:
            try:
                call(*values)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                fail(_raised(caller.name, plugin, error))

    return notify_all


def _by_position(
    function: Callable[..., Any], positions: tuple[int, ...], count: int, settings: Any
) -> Callable[..., Any]:
    """A function of ``count`` values that calls ``function`` with those at ``positions`` of them and ``settings``."""
    if positions == tuple(range(count)):
        return function
    return lambda *values: function(*[(*values, settings)[position] for position in positions])


def implementations(caller: pluggy.HookCaller) -> Iterator[pluggy.HookImpl]:
    """The hook's implementations in calling order; pluggy lists them in the reverse order."""
    return reversed(caller.get_hookimpls())


def _ask(caller: pluggy.HookCaller, impl: pluggy.HookImpl, arguments: Arguments, expected: Expected) -> Any:
    answer = _call(caller, impl, arguments)
    if answer is None or isinstance(answer, Failure):
        return answer
    if isinstance(answer, expected):
        return answer
    return _wrong_type(caller, impl, expected, answer)


def _items(
    caller: pluggy.HookCaller, impl: pluggy.HookImpl, arguments: Arguments, expected: type[T]
) -> list[T] | Failure:
    answer = _call(caller, impl, arguments, collect=True)
    if isinstance(answer, Failure):
        return answer
    invalid = [item for item in answer or () if not isinstance(item, expected)]
    return _wrong_type(caller, impl, expected, invalid[0]) if invalid else answer or []


def _call(caller: pluggy.HookCaller, impl: pluggy.HookImpl, arguments: Arguments, *, collect: bool = False) -> Any:
    try:
        given = {**arguments, "settings": arguments["settings"].get(impl.plugin_name, {})}
        # pluggy itself never fills a parameter that has a default.
        with_default = {name: given[name] for name in impl.kwargnames if name in given}
        timing = _TIMING.get()
        with timing.call(impl.plugin_name, caller.name) if timing else contextlib.nullcontext():
            answer = impl.function(*(given[name] for name in impl.argnames), **with_default)
            # A generator runs only here, so its exceptions belong to this call.
            return list(answer) if collect and answer is not None else answer  # type: ignore[call-overload]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit: a plugin must not end the daemon
        return _raised(caller.name, impl.plugin_name, error)


def _raised(hook: str, plugin: str, error: BaseException) -> Failure:
    return Failure(hook, plugin, f"raised {name_of(error)}: {one_line(text_of(error))}", error)


def _wrong_type(caller: pluggy.HookCaller, impl: pluggy.HookImpl, expected: Expected, answer: object) -> Failure:
    names = ", ".join(each.__name__ for each in (expected if isinstance(expected, tuple) else (expected,)))
    message = f"returned {one_line(repr(answer), 80)}; it must return {names} or None"
    return Failure(caller.name, impl.plugin_name, message)


def _conflict(name: str, first: Answer[Any], plugin: str) -> str:
    if first.plugin == plugin:
        return f"adds {one_line(name)} twice"
    return f"adds {one_line(name)}, and so does hook plugin {first.plugin}: neither is used"
