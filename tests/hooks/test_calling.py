"""The five calling rules, each with plugins that answer, abstain, raise or answer something invalid."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pluggy
import pytest

from pytriton_plugins.errors import HookError
from pytriton_plugins.hooks import calling as calls
from pytriton_plugins.hooks.calling import Answer, Failure
from pytriton_plugins.testing import wait_until
from pytriton_plugins.values import Verdict

spec = pluggy.HookspecMarker("rules")
impl = pluggy.HookimplMarker("rules")


class Specs:
    @spec
    def ask(self, value: int, other: str, settings: object) -> object: ...


class Returns:
    def __init__(self, answer: object) -> None:
        self.answer = answer

    @impl
    def ask(self) -> object:
        return self.answer


class Raises:
    @impl
    def ask(self, other: str) -> object:
        raise RuntimeError(f"no\n{other}\x1b[31m")


class Adds:
    def __init__(self, more: int) -> None:
        self.more = more

    @impl
    def ask(self, value: int) -> int:
        return value + self.more


class Yields:
    def __init__(self, *items: str, broken: bool = False) -> None:
        self.items = items
        self.broken = broken

    @impl
    def ask(self) -> Iterator[str]:
        yield from self.items
        if self.broken:
            raise RuntimeError("half way")


ARGUMENTS: dict[str, Any] = {"value": 1, "other": "way", "settings": {}}


def caller_of(**plugins: object) -> pluggy.HookCaller:
    """A caller that asks these plugins in the given order."""
    manager = pluggy.PluginManager("rules")
    manager.add_hookspecs(Specs)
    for name, plugin in reversed(plugins.items()):
        manager.register(plugin, name)
    caller: pluggy.HookCaller = manager.hook.ask
    return caller


def stop(failure: Failure) -> None:
    raise HookError(str(failure))


def test_choose_takes_the_first_answer_with_its_plugin() -> None:
    caller = caller_of(silent=Returns(None), first=Returns(7), second=Returns(8))
    assert calls.choose(caller, ARGUMENTS, int, stop) == Answer(7, "first")


def test_choose_keeps_a_false_answer() -> None:
    assert calls.choose(caller_of(zero=Returns(0), one=Returns(1)), ARGUMENTS, int, stop) == Answer(0, "zero")


def test_choose_without_an_answer_is_none() -> None:
    assert calls.choose(caller_of(silent=Returns(None)), ARGUMENTS, int, stop) is None


def test_choose_stops_at_a_plugin_that_raises_and_names_it_on_one_line() -> None:
    with pytest.raises(HookError) as caught:
        calls.choose(caller_of(bad=Raises(), good=Returns(1)), ARGUMENTS, int, stop)
    assert str(caught.value) == r"hook plugin bad: ask raised RuntimeError: no way\x1b[31m"


def test_choose_passes_over_a_failure_when_told_to() -> None:
    failures: list[Failure] = []
    caller = caller_of(bad=Raises(), wrong=Returns("text"), good=Returns(1))
    assert calls.choose(caller, ARGUMENTS, int, failures.append) == Answer(1, "good")
    assert [failure.plugin for failure in failures] == ["bad", "wrong"]
    assert failures[1].message == "returned 'text'; it must return int or None"


def test_edit_hands_each_plugin_the_value_of_the_one_before() -> None:
    caller = caller_of(two=Adds(2), silent=Returns(None), ten=Adds(10))
    assert calls.edit(caller, "value", 1, {"other": "", "settings": {}}, int, stop) == Answer(13, "ten")


def test_edit_names_no_plugin_for_an_unchanged_value() -> None:
    caller = caller_of(adds=Adds(2), same=Adds(0))
    assert calls.edit(caller, "value", 1, ARGUMENTS, int, stop) == Answer(3, "adds")
    assert calls.edit(caller_of(same=Adds(0)), "value", 1, ARGUMENTS, int, stop) == Answer(1, "")


class Writes:
    """Writes into its argument, and returns it or None."""

    def __init__(self, returns: bool) -> None:
        self.returns = returns

    @impl
    def ask(self, value: list[int]) -> list[int] | None:
        value.append(1)
        return value if self.returns else None


def test_edit_names_a_plugin_that_mutates_the_value_and_accepts_only_returned_values() -> None:
    for returns, edited in [(True, Answer([1], "writes")), (False, Answer([], ""))]:
        assert calls.edit(caller_of(writes=Writes(returns)), "value", [], ARGUMENTS, list, stop) == edited


class Waits:
    def __init__(self, event: threading.Event) -> None:
        self.event = event
        self.begun = threading.Event()

    @impl
    def ask(self) -> None:
        self.begun.set()
        self.event.wait()


def test_the_slowest_call_is_named_while_it_runs_and_after() -> None:
    timing, event = calls.Timing(), threading.Event()
    waits = Waits(event)
    caller = caller_of(quick=Returns(None), waits=waits, last=Returns(1))
    assert timing.slowest() == ("", "", 0.0)

    def ask() -> None:
        calls.measure(timing)
        calls.choose(caller, ARGUMENTS, int, stop)

    asking = threading.Thread(target=ask)
    asking.start()
    waits.begun.wait(30)
    wait_until(lambda: timing.slowest()[2] > 0.1, what="it runs for a while")
    assert timing.slowest()[:2] == ("waits", "ask")
    event.set()
    asking.join(30)
    assert timing.slowest()[:2] == ("waits", "ask")
    assert timing.slowest()[2] >= 0.1
    assert timing.slowest() == timing.slowest(), "nothing runs any more"


def test_edit_keeps_the_value_that_a_failing_plugin_was_given() -> None:
    failures: list[Failure] = []
    caller = caller_of(two=Adds(2), bad=Raises(), wrong=Returns("text"))
    assert calls.edit(caller, "value", 1, {"other": "", "settings": {}}, int, failures.append) == Answer(3, "two")
    assert [failure.plugin for failure in failures] == ["bad", "wrong"]


def test_add_gathers_items_with_their_plugin() -> None:
    gathered = calls.add(caller_of(a=Yields("x", "y"), silent=Returns(None), b=Yields("z")), ARGUMENTS, str, str)
    assert gathered.answers == (Answer("x", "a"), Answer("y", "a"), Answer("z", "b"))
    assert gathered.broken == ()


def test_add_marks_a_failing_plugin_broken_and_takes_nothing_of_it() -> None:
    gathered = calls.add(caller_of(a=Yields("x", broken=True), b=Yields("z"), c=Returns([1])), ARGUMENTS, str, str)
    assert gathered.answers == (Answer("z", "b"),)
    assert [(failure.plugin, failure.message) for failure in gathered.broken] == [
        ("a", "raised RuntimeError: half way"),
        ("c", "returned 1; it must return str or None"),
    ]


def test_add_names_both_plugins_of_a_conflict() -> None:
    gathered = calls.add(caller_of(a=Yields("x", "y"), b=Yields("x", "z", "z")), ARGUMENTS, str, str)
    assert gathered.answers == (Answer("y", "a"),)
    assert [(failure.plugin, failure.message) for failure in gathered.broken] == [
        ("b", "adds x, and so does hook plugin a: neither is used"),
        ("b", "adds z twice"),
    ]


def test_check_asks_all_and_takes_an_exception_as_a_failed_verdict() -> None:
    caller = caller_of(a=Returns(Verdict(True)), silent=Returns(None), bad=Raises(), wrong=Returns(True))
    assert calls.check(caller, ARGUMENTS) == [
        ("a", Verdict(True)),
        ("bad", Verdict(False, r"ask raised RuntimeError: no way\x1b[31m")),
        ("wrong", Verdict(False, "ask returned True; it must return Verdict or None")),
    ]


def test_tell_reaches_every_plugin_despite_exceptions() -> None:
    failures: list[Failure] = []
    calls.notify(caller_of(a=Returns(1), bad=Raises(), c=Returns(None)), ARGUMENTS, failures.append)
    assert [failure.plugin for failure in failures] == ["bad"]


class TakesAll:
    def __init__(self) -> None:
        self.seen: list[object] = []

    @impl
    def ask(self, settings: object, other: str, value: int) -> None:
        self.seen.append((value, other, settings))


def test_bound_is_tell_with_arguments_by_position() -> None:
    """Each plugin gets the parameters that it names, in its own order, and its own settings."""
    failures: list[Failure] = []
    alone, everything = Adds(1), TakesAll()
    settings = {"all": {"word": "own"}, "bad": {}}
    told = calls.bound(
        caller_of(bad=Raises(), alone=alone, silent=Returns(1), all=everything),
        ("value", "other"),
        settings,
        failures.append,
    )
    told(1, "way")
    told(2, "there")
    assert everything.seen == [(1, "way", {"word": "own"}), (2, "there", {"word": "own"})]
    assert [str(failure) for failure in failures] == [
        r"hook plugin bad: ask raised RuntimeError: no way\x1b[31m",
        r"hook plugin bad: ask raised RuntimeError: no there\x1b[31m",
    ]


def test_check_takes_a_plugin_that_wants_to_exit_as_a_failed_verdict() -> None:

    class Exits:
        @impl
        def ask(self) -> object:
            raise SystemExit("enough")

    assert calls.check(caller_of(bad=Exits(), a=Returns(Verdict(True))), ARGUMENTS) == [
        ("bad", Verdict(False, "ask raised SystemExit: enough")),
        ("a", Verdict(True)),
    ]
