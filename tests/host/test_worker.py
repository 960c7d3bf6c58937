"""A worker process as its host sees it, without the host around it; runs in pytest."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.host.worker import Launch, Worker

SAYS_MUCH_AND_ENDS = """
import json, os, socket, sys
link = socket.socket(fileno=int(sys.argv[2]))
for number in range(100):
    link.send(json.dumps({"type": "metrics", "number": number}).encode())
link.send(json.dumps({"type": "need", "token": 1, "bytes": 1, "segment": 1}).encode())
os._exit(3)
"""


def test_all_that_a_worker_said_is_heard_when_its_end_is_seen_first(tmp_path: Path) -> None:
    """But its wishes: nobody is there to have them granted. Seen red with one message read of the rest, and without the
    look at `exit` (`Worker._dispatch`)."""
    (tmp_path / "says_much.py").write_text(SAYS_MUCH_AND_ENDS)
    heard: list[int] = []
    wishes: list[Any] = []

    async def live() -> int:
        reference = ModelReference("says_much", str(tmp_path / "says_much.py"))
        worker = Worker(
            1,
            reference,
            Launch(),
            lambda worker, message: wishes.append(message),
            lambda worker: None,
            lambda worker, message: heard.append(message["number"]),
        )
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)  # the loop stands still meanwhile
        await worker.ended()
        assert worker.exit is not None
        return worker.exit.status

    assert asyncio.run(live()) == 3
    assert heard == list(range(100))
    assert wishes == []
