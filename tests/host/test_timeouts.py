"""Waiting with a timeout: no cancellation is lost, and no task is left running."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

import pytest

from pytriton_plugins.host.timeouts import within

T = TypeVar("T")
FAR = 60.0
"""Seconds of a limit that is never reached."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Its result; afterwards no task is left, and asyncio has reported nothing."""
    problems: list[str] = []

    async def main() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context["message"]))
        result = await work
        assert asyncio.all_tasks() == {asyncio.current_task()}
        gc.collect()
        await asyncio.sleep(0)
        return result

    try:
        return asyncio.run(main())
    finally:
        assert problems == []


class Work:
    """Waits without end; its clean-up takes several turns of the loop and may raise or return."""

    def __init__(self, error: Exception | None = None, result: str | None = None) -> None:
        self.steps: list[str] = []
        self._error = error
        self._result = result

    async def run(self) -> str | None:
        self.steps.append("begun")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.steps.append("cleaned up")
            if self._error is not None:
                raise self._error from None
            if self._result is None:
                raise
        return self._result


async def gives(result: str) -> str:
    await asyncio.sleep(0)
    return result


async def fails() -> str:
    await asyncio.sleep(0)
    raise ValueError("its own error")


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("seconds", [FAR, None])
def test_a_result_in_time(seconds: float | None) -> None:
    assert run(within(gives("it"), seconds)) == "it"


@pytest.mark.parametrize("seconds", [FAR, None])
def test_an_error_of_the_work_is_the_callers(seconds: float | None) -> None:
    """An error of the work reaches the caller."""
    with pytest.raises(ValueError, match="its own error"):
        run(within(fails(), seconds))


def test_late_work_is_cancelled_and_has_cleaned_up_before_the_error() -> None:
    work = Work()
    with pytest.raises(TimeoutError):
        run(within(work.run(), 0.01))
    assert work.steps == ["begun", "cleaned up"]


def test_a_late_result_or_error_is_not_lost() -> None:
    """A result or error that comes during the cancellation is not lost."""
    assert run(within(Work(result="after all").run(), 0.01)) == "after all"
    with pytest.raises(OSError, match="not cleaned up"):
        run(within(Work(OSError("not cleaned up")).run(), 0.01))


async def cancelled(awaitable: Awaitable[Any], after: int = 3) -> None:
    waiting = asyncio.ensure_future(within(awaitable, FAR))
    await turns(after)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()


@pytest.mark.parametrize("error", [None, OSError("not cleaned up")], ids=["", "with an error"])
def test_a_cancellation_reaches_the_work_which_has_cleaned_up_before_it_is_raised(error: Exception | None) -> None:
    work = Work(error)
    run(cancelled(work.run()))
    assert work.steps == ["begun", "cleaned up"]


@pytest.mark.parametrize("when", ["just before", "just after", "a turn after"])
@pytest.mark.parametrize("error", [None, OSError("it failed")], ids=["the result", "the error"])
def test_a_cancellation_is_not_lost_that_comes(when: str, error: Exception | None) -> None:
    """A cancellation at any of these moments is raised."""

    async def together() -> bool:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        waiting = asyncio.ensure_future(within(answer, FAR))
        await turns(3)
        if when == "just before":
            waiting.cancel()
        answer.set_exception(error) if error else answer.set_result("it")
        if when == "a turn after":
            await turns(1)
        if when != "just before":
            waiting.cancel()
        await asyncio.wait([waiting])
        return waiting.cancelled()

    assert run(together())


def test_a_second_cancellation_does_not_wait_for_the_work() -> None:
    async def twice() -> list[str]:
        let_end = asyncio.Event()
        steps = []

        async def cleans_up() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await let_end.wait()
                steps.append("cleaned up")

        waiting = asyncio.ensure_future(within(cleans_up(), FAR))
        for _ in range(2):
            await turns(3)
            waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert steps == []
        let_end.set()
        await turns(3)
        return steps

    assert run(twice()) == ["cleaned up"]
