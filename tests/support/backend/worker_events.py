"""The log messages that the daemon makes of the bytes that a worker prints."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from pytriton_plugins.host.log.line_reader import LineReader
from pytriton_plugins.host.workers.output import WorkerOutput

OWNER = {"plugin": "acme", "model": "resnet", "worker": 7}


class Subject:
    """The worker that prints."""

    def log_fields(self) -> dict[str, Any]:
        return OWNER


Event = tuple[str, list[str]]


def events(caplog: pytest.LogCaptureFixture, *texts: str | bytes, pause: float = 0.0) -> list[Event]:
    """The level and lines of each message of ``texts``; each text is read on its own, ``pause`` seconds later."""

    async def hear() -> None:
        output = WorkerOutput(Subject())
        reader = LineReader(output, 0.0)
        for text in texts:
            reader.feed(text.encode() if isinstance(text, str) else text, 0.0)
            await asyncio.sleep(pause)
        reader.feed(b"", 0.0)
        output.flush()

    with caplog.at_level(logging.DEBUG, "pytriton.worker"):
        asyncio.run(hear())
    told: list[Any] = [record for record in caplog.records if hasattr(record, "printed")]
    assert {(record.plugin, record.model, record.worker) for record in told} <= {tuple(OWNER.values())}
    return [(record.levelname, record.printed) for record in told]
