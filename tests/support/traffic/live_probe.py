"""Probes the liveness of a server, as a kubelet does but more often; a program of its own.

``python live_probe.py http|grpc HOST:PORT`` probes until its input ends, then writes the duration of each answer. It
raises its own priority if it may, so that its own waits for a processor do not count.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import tritonclient.grpc

_PERIOD = 0.01
Answers = list[tuple[float, bool]]
"""The duration of each answer in seconds, and whether the server is live."""


@contextlib.contextmanager
def probing(protocol: str, address: str, prefix: Sequence[str] = ()) -> Iterator[Callable[[], Answers]]:
    """Probe as long as the block lasts, or until the yielded function is called, which returns the answers."""
    command = [*prefix, sys.executable, __file__, protocol, address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        yield lambda: [(seconds, is_live) for seconds, is_live in json.loads(program.communicate(timeout=30)[0])]


def _over_http(address: str) -> bool:
    """Probe on a new connection, as a kubelet does."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", "/v2/health/live")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def _answers(is_live: Callable[[], bool]) -> Answers:
    """One probe is due in each period and is timed from then: a wait of a second counts for a hundred probes."""
    answers = []
    due = time.monotonic()
    while not select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
        lives = is_live()
        answers.append((time.monotonic() - due, lives))
        due += _PERIOD
    return answers


if __name__ == "__main__":
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    _protocol, _address = sys.argv[1:]
    if _protocol == "http":
        print(json.dumps(_answers(lambda: _over_http(_address))))
    else:
        with tritonclient.grpc.InferenceServerClient(_address) as _client:
            print(json.dumps(_answers(lambda: bool(_client.is_server_live()))))
