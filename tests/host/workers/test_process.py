"""A worker process, without a whole daemon."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from pytriton_plugins.discovery.references import ModelReference
from pytriton_plugins.host.workers.launching import Launch
from pytriton_plugins.host.workers.process import WorkerProcess
from pytriton_plugins.host.workers.worker import NoListener, Worker, WorkerFailed

SAYS_MUCH_AND_ENDS = """
import json, os, socket, sys
link = socket.socket(fileno=int(sys.argv[2]))
for number in range(100):
    link.send(json.dumps({"type": "metrics", "number": number}).encode())
link.send(json.dumps({"type": "need", "token": 1, "bytes": 1, "segment": 1}).encode())
os._exit(3)
"""


def test_all_that_a_worker_said_is_heard_when_its_end_is_seen_first(tmp_path: Path) -> None:
    """Messages sent before the exit are handled after it, except requests for memory, which need no answer."""
    (tmp_path / "says_much.py").write_text(SAYS_MUCH_AND_ENDS)
    heard: list[int] = []
    needs: list[Any] = []

    class Listener(NoListener):
        def on_worker_need(self, worker: Worker, message: dict[str, Any]) -> None:
            needs.append(message)

        def on_worker_metrics(self, worker: Worker, message: dict[str, Any]) -> None:
            heard.append(message["number"])

    async def live() -> int:
        reference = ModelReference("says_much", str(tmp_path / "says_much.py"))
        worker = WorkerProcess(1, reference, Launch(), Listener())
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)  # the loop stands still meanwhile
        await worker.ended()
        assert worker.exit is not None
        return worker.exit.status

    assert asyncio.run(live()) == 3
    assert heard == list(range(100))
    assert needs == []


SAYS_TOO_MUCH = """
import json, os, socket, sys
link = socket.socket(fileno=int(sys.argv[2]))
link.send(json.dumps({"type": "failed", "stage": "import", "message": "no\\x1b[31m\\n" + "x" * 50000}).encode())
os._exit(3)
"""


def test_the_reason_of_a_worker_for_its_failure_is_one_short_line(tmp_path: Path) -> None:
    """It is cut and escaped, because it appears in the log, the table and `status`."""
    (tmp_path / "says_too_much.py").write_text(SAYS_TOO_MUCH)

    async def live() -> str:
        reference = ModelReference("says_too_much", str(tmp_path / "says_too_much.py"))
        worker = WorkerProcess(1, reference, Launch(), NoListener())
        try:
            await worker.declared(60)
        except WorkerFailed as error:
            await worker.ended()
            return str(error)
        raise AssertionError("it has not failed")

    message = asyncio.run(live())
    assert message.startswith("import: no\\x1b[31m xxx")
    assert len(message) == 4000
