"""A response with more than 65535 output entries is one batch."""

from __future__ import annotations

import queue
from pathlib import Path

import numpy as np
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from pytriton_plugins.testing import run_host, wait_until
from tests.support.traffic.clients import Gate, Queues, queues

COUNT = 1040
WIDE = """
import os
from pathlib import Path

import numpy as np
from pytriton_plugins import Tensor, infer_func

@infer_func(
    inputs=[Tensor("x", np.int32, (1,))],
    outputs=[Tensor(f"y{i}", np.int32, (1,)) for i in range(64)],
    max_batch_size=2048,
)
def wide(x):
    if x[0, 0] < 0:
        Path(os.environ["GATE"]).read_bytes()
    if len(x) > 1:
        raise ValueError("one by one, please")
    return {f"y{i}": x + i for i in range(64)}
"""


def test_more_entries_than_16_bits_count(tmp_path: Path) -> None:
    (tmp_path / "wide.py").write_text(WIDE)
    gate = Gate(tmp_path / "gate")
    answers: queue.Queue[tuple[object, InferenceServerException | None]] = queue.Queue()
    with run_host(tmp_path / "wide.py", env={"GATE": str(tmp_path / "gate")}) as host:
        with tritonclient.grpc.InferenceServerClient(host.grpc) as client:

            def send(value: int) -> None:
                x = tritonclient.grpc.InferInput("x", [1, 1], "INT32")
                x.set_data_from_numpy(np.array([[value]], np.int32))
                client.async_infer("wide", [x], lambda result, error: answers.put((result, error)))

            send(-1)
            wait_until(gate.is_reached, what="the callable runs")
            for value in range(COUNT):
                send(value)
            # In the backend: what is still in Triton's queue would be another batch.
            wait_until(lambda: queues(host.metrics, "wide") == Queues(0, COUNT), 20, "all others wait")
            gate.open()
            errors = {str(error) for _, error in (answers.get(timeout=120) for _ in range(COUNT + 1)) if error}
        assert errors == set()
        wait_until(lambda: "one by one, please" in host.log, what="the log has the batch that failed")
