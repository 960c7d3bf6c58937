"""Tasks that are not awaited: their errors are logged, and asyncio reports nothing."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest

from pytriton_plugins.errors import ServerGone
from pytriton_plugins.host.tasks import background, consume, discard, result_unless
from pytriton_plugins.testing.host import complaints


async def fails_when_cancelled(error: Exception) -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise error from None


async def fails(error: Exception) -> None:
    raise error


async def cancelled(error: Exception) -> None:
    task = asyncio.ensure_future(fails_when_cancelled(error))
    await asyncio.sleep(0)
    discard(task)
    discard(task, None)
    await asyncio.wait([task])


async def over(error: Exception) -> None:
    task = asyncio.ensure_future(fails(error))
    await asyncio.wait([task])
    discard(task)


async def in_the_background(error: Exception) -> None:
    await asyncio.wait([background(fails(error))])


async def left(error: Exception) -> None:
    change = asyncio.ensure_future(fails(error))
    change.add_done_callback(consume)
    await asyncio.wait([change])


def complained(work: Any) -> list[str]:
    """The reports of asyncio."""
    logged: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: logged.append(context["message"]))
        await work
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(main())
    return logged


@pytest.mark.parametrize("way", [cancelled, over, in_the_background, left], ids=lambda way: way.__name__)
def test_an_error_that_was_expected_is_no_news(way: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An expected error is not logged."""
    assert complained(way(ServerGone("tritonserver ended"))) == []
    assert caplog.records == []


@pytest.mark.parametrize("way", [cancelled, in_the_background, left], ids=lambda way: way.__name__)
def test_any_other_is_logged(way: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error is logged."""
    logging.getLogger("pytriton").propagate = True
    assert complained(way(KeyError("a bug"))) == []
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.records[0].getMessage().startswith("internal error in fails")


def test_an_abandoned_task_is_found_in_a_log() -> None:
    """`run_host` looks for these lines at the end of every test that starts a host."""
    text = "2026-11-30 08:21:57,160 ERROR   asyncio: Task exception was never retrieved"
    json = '{"time": "…", "level": "error", "logger": "asyncio", "message": "Exception in callback f()"}'
    lost = "/x/health.py:3: RuntimeWarning: coroutine 'look' was never awaited"
    theirs = "2026-11-30 08:21:57,160 INFO    pytriton.worker: m[3]: RuntimeWarning: coroutine 'f' was never awaited"
    assert complaints("\n".join([text, json, lost, theirs])) == [text, json, lost]


@pytest.mark.parametrize("event_first", [False, True])
def test_work_ends_before_its_result_is_given_up(event_first: bool) -> None:
    """`result_unless` waits for the clean-up of work that it cancels."""
    ended: list[str] = []

    async def work(event: asyncio.Event) -> str:
        try:
            if event_first:
                event.set()
                await asyncio.Event().wait()
            return "done"
        finally:
            ended.append("work")

    async def main() -> tuple[str | None, list[str]]:
        event = asyncio.Event()
        return await result_unless(event, work(event)), list(ended)

    assert asyncio.run(main()) == (None if event_first else "done", ["work"])
