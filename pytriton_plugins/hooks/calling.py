"""The five calling rules (choose, edit, add, check, on), each answer with its plugin's name; runs in the host process.

Each rule walks pluggy's public list of implementations instead of calling the hook: pluggy drops results
that are None, so results of a hook call cannot be told apart by plugin.
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
"""What implementations may take, by name; ``settings`` holds each plugin's own table by the plugin's label."""

Expected = type | tuple[type, ...]
OnFailure = Callable[["Failure"], None]
"""Takes each exception of a plugin: raises HookError while the host starts, logs and counts it later."""


@attrs.frozen
class Answer(Generic[T]):
    """What a plugin answered; ``plugin`` reads like ``memory-guard (acme-hooks 1.2)``."""

    value: T
    plugin: str


@attrs.frozen
class Failure:
    """One implementation that raised or answered with the wrong type; ``message`` is one line."""

    hook: str
    plugin: str
    message: str
    error: BaseException | None = None

    def __str__(self) -> str:
        return f"hook plugin {self.plugin}: {self.hook} {self.message}"


@attrs.frozen
class Gathered(Generic[T]):
    """What an ``add_`` hook yielded: items in calling order, and the plugins that are broken."""

    answers: tuple[Answer[T], ...]
    broken: tuple[Failure, ...]


class Timing:
    """How long each plugin has taken for each hook so far; written by the thread that asks, read by others."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], float] = {}
        self._running: tuple[tuple[str, str], float] | None = None

    def slowest(self) -> tuple[str, str, float]:
        """Plugin, hook and seconds, of a call that still runs as well; two empty texts when nobody was asked."""
        seconds, running = dict(self._seconds), self._running
        if running is not None:
            (call, began) = running
            seconds[call] = seconds.get(call, 0.0) + time.monotonic() - began
        return max(((*call, took) for call, took in seconds.items()), key=lambda each: each[2], default=("", "", 0.0))

    @contextlib.contextmanager
    def call(self, plugin: str, hook: str) -> Iterator[None]:
        """Measure one call."""
        began = time.monotonic()
        self._running = ((plugin, hook), began)
        try:
            yield
        finally:
            self._running = None
            before = self._seconds.get((plugin, hook), 0.0)
            self._seconds[plugin, hook] = before + time.monotonic() - began


_TIMING: ContextVar[Timing | None] = ContextVar("timing", default=None)


def measure(timing: Timing) -> None:
    """Have the calls of this thread measured from now on."""
    _TIMING.set(timing)


def choose(caller: pluggy.HookCaller, arguments: Arguments, expected: Expected, fail: OnFailure) -> Answer[Any] | None:
    """The first answer that is not None; a plugin that fails is passed over when ``fail`` returns."""
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
    """``value`` as changed by each plugin in turn, who gets it as argument ``name``; the last to change it is named.

    A plugin that returns what it was given has changed nothing. Each gets a copy, so that what it writes into it counts
    only when it returns it.
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
    """What all plugins yield. Of two items with one name neither is taken, and the second plugin is broken."""
    answers: dict[str, Answer[T]] = {}
    broken: list[Failure] = []
    twice: set[str] = set()
    for impl in implementations(caller):
        items = _items(caller, impl, arguments, expected)
        if isinstance(items, Failure):
            broken.append(items)
            continue
        for item in items:
            name = name_of(item)
            if name in answers:
                twice.add(name)
                broken.append(Failure(caller.name, impl.plugin_name, _conflict(name, answers[name], impl.plugin_name)))
            else:
                answers[name] = Answer(item, impl.plugin_name)
    return Gathered(tuple(answer for name, answer in answers.items() if name not in twice), tuple(broken))


def check(caller: pluggy.HookCaller, arguments: Arguments, fail: OnFailure | None = None) -> list[tuple[str, Verdict]]:
    """The verdict of each plugin that gave one; an exception goes to ``fail``, or is a failed verdict without one."""
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


def tell(caller: pluggy.HookCaller, arguments: Arguments, fail: OnFailure) -> None:
    """Tell every plugin (rule ``on_``); results are ignored, and ``fail`` must not raise."""
    for impl in implementations(caller):
        answer = _ask(caller, impl, arguments, object)
        if isinstance(answer, Failure):
            fail(answer)


def bound(
    caller: pluggy.HookCaller, names: Sequence[str], settings: Mapping[str, Any], fail: OnFailure
) -> Callable[..., None]:
    """`tell` for the arguments ``names``, given by position, with its implementations as they are now.

    For hooks that are called so often that to look for implementations takes longer than to call them.
    """
    given = (*names, "settings")
    told = []
    for impl in implementations(caller):
        places = tuple(given.index(name) for name in impl.argnames)
        told.append((impl.plugin_name, _taking(impl.function, places, len(names), settings.get(impl.plugin_name, {}))))

    def tell_all(*values: object) -> None:
        for plugin, call in told:
            try:
                call(*values)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                fail(_raised(caller.name, plugin, error))

    return tell_all


def _taking(function: Callable[..., Any], places: tuple[int, ...], count: int, settings: Any) -> Callable[..., Any]:
    """``function`` as one that is given all ``count`` values and takes those at ``places`` of them and ``settings``."""
    if places == tuple(range(count)):
        return function
    return lambda *values: function(*[(*values, settings)[place] for place in places])


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
    wrong = [item for item in answer or () if not isinstance(item, expected)]
    return _wrong_type(caller, impl, expected, wrong[0]) if wrong else answer or []


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
    except BaseException as error:  # also SystemExit: a plugin does not end the host
        return _raised(caller.name, impl.plugin_name, error)


def _raised(hook: str, plugin: str, error: BaseException) -> Failure:
    return Failure(hook, plugin, f"raised {name_of(error)}: {one_line(text_of(error))}", error)


def _wrong_type(caller: pluggy.HookCaller, impl: pluggy.HookImpl, expected: Expected, answer: object) -> Failure:
    names = ", ".join(each.__name__ for each in (expected if isinstance(expected, tuple) else (expected,)))
    message = f"answered {one_line(repr(answer), 80)}; it must return {names} or None"
    return Failure(caller.name, impl.plugin_name, message)


def _conflict(name: str, first: Answer[Any], plugin: str) -> str:
    if first.plugin == plugin:
        return f"adds {one_line(name)} twice"
    return f"adds {one_line(name)}, and so does hook plugin {first.plugin}: neither is taken"
