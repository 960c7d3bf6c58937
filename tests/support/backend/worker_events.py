"""The log messages that the daemon makes of the bytes that a worker prints."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from pytriton_plugins.host.log.line_reader import LineReader
from pytriton_plugins.host.workers.output import WorkerOutput

OWNER = {"plugin": "acme", "model": "resnet", "worker": 7}
Event = tuple[str, list[str]]


def events(caplog: pytest.LogCaptureFixture, *texts: str | bytes, pause: float = 0.0) -> list[Event]:
    """The level and lines of each message of ``texts``; each text is read on its own, ``pause`` seconds later."""

    async def hear() -> None:
        output = WorkerOutput(lambda: OWNER)
        reader = LineReader(output.add)
        for text in texts:
            reader.feed(text.encode() if isinstance(text, str) else text)
            await asyncio.sleep(pause)
        reader.feed(b"")
        output.flush()

    with caplog.at_level(logging.DEBUG, "pytriton.worker"):
        asyncio.run(hear())
    records: list[Any] = [record for record in caplog.records if hasattr(record, "said")]
    assert {(record.plugin, record.model, record.worker) for record in records} <= {tuple(OWNER.values())}
    return [(record.levelname, record.said) for record in records]
