"""Output of models and log lines do not slow the daemon, whatever their amount and destination."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from pathlib import Path

import numpy as np

from pytriton_plugins.host.log.rate_limit import MAX_BURST, MAX_LINES_PER_SECOND
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.command import call_host
from tests.support.sandbox.leftovers import tritonserver
from tests.support.sandbox.stops import SOON, stopped
from tests.support.traffic.clients import attempt, infer, texts

TALKATIVE = MODELS / "talkative.py"
MUCH = 2_000_000
"""Lines that a worker prints: 42 MB."""


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_endless_output_costs_little() -> None:
    """A model that prints without end takes little processor time."""
    with run_host(TALKATIVE) as host:
        before = cpu_seconds(host.process.pid)
        started = time.monotonic()
        pid = infer(host, "grpc", "shout", {"lines": np.array([MUCH])})["pid"].item()
        seconds = time.monotonic() - started
        wait_until(lambda: "lines left out" in host.log, what="what is missing is told")
        wait_until(lambda: left_out(host, pid) + logged(host, pid) == MUCH, what="all lines are accounted for")
        until = time.monotonic() - started
        cost = cpu_seconds(host.process.pid) - before
        print(f"{MUCH} lines in {seconds:.1f} s: {logged(host, pid)} in the log, {cost:.2f} s of the daemon's time")
        assert logged(host, pid) <= MAX_BURST + MAX_LINES_PER_SECOND * until
        assert cost < 0.25 * seconds + 0.5
        assert host.status("/v2/health/ready") == 200


def logged(host: RunningHost, pid: int) -> int:
    return host.log.count(f"shout[{pid}]: all work and no play\n")


def left_out(host: RunningHost, pid: int) -> int:
    return sum(map(int, re.findall(rf"shout\[{pid}\]: … (\d+) lines left out", host.log)))


def test_the_errors_of_a_model_that_configures_logging_itself_reach_the_log_and_the_status(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with run_host(MODELS / "configures.py", options=["--log-level=debug", f"--run-dir={folder}"]) as host:
        assert attempt(host, "grpc", "configures", {"x": np.ones((1, 1), np.float32)}).error == "ValueError: no luck"
        wait_until(lambda: "ValueError: no luck" in host.log, what="the log has the error")
        messages = re.findall(r"(\w+) +pytriton.worker: configures\[\d+\]: (.*)", host.log)
        assert ("DEBUG", "configures: called with 1 rows") in messages
        assert ("INFO", "(rewritten once)  50%|##  |") in messages
        assert ("ERROR", "model configures: a request failed") in messages
        status = json.loads(call_host("status", f"--run-dir={folder}", "--json").stdout)
    (error,) = status["errors"]
    assert error["message"].startswith("model configures: a request failed")


class Fifo:
    """A FIFO as standard output and error of a host."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.prefix = ["sh", "-c", 'to=$1; shift; exec "$@" >"$to" 2>&1', "sh", str(path)]

    def fill(self) -> None:
        """Fill the FIFO, which is not read, to the last byte."""
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(self.descriptor, b"x" * 4096)

    def close(self) -> None:
        os.close(self.descriptor)


def lives_on(host: RunningHost, usual_stop: float) -> None:
    """Serve, log more than a pipe holds, replace a killed worker, and stop in time."""
    for _ in range(100):
        pid = infer(host, "grpc", "talk", {"text": texts(b"y" * 4000)})["pid"].item()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: other_worker(host, pid), what="another worker answers")
    wait_until(lambda: host.status("/v2/health/ready") == 200, what="the host is ready")
    seconds = stopped(host)
    print(f"the stop took {seconds:.2f} s")
    assert seconds < usual_stop + SOON


def test_a_log_without_a_reader_does_not_stop_the_daemon(tmp_path: Path, usual_stop: float) -> None:
    fifo = Fifo(tmp_path / "fifo")
    fifo.fill()
    with run_host(TALKATIVE, prefix=fifo.prefix) as host:
        lives_on(host, usual_stop)
    fifo.close()


def test_the_reader_of_the_log_goes(tmp_path: Path, usual_stop: float) -> None:
    fifo = Fifo(tmp_path / "fifo")
    with run_host(TALKATIVE, prefix=fifo.prefix) as host:
        fifo.close()
        lives_on(host, usual_stop)


def test_standard_output_and_error_are_closed(usual_stop: float) -> None:
    with run_host(TALKATIVE, prefix=["sh", "-c", 'exec "$@" >&- 2>&-', "sh"]) as host:
        lives_on(host, usual_stop)


def test_standard_output_is_full_and_the_folder_is_deleted(tmp_path: Path, usual_stop: float) -> None:
    """Unbuffered, as in an image. A restarted worker does not need the folder."""
    folder = tmp_path / "deleted"
    folder.mkdir()
    prefix = ["env", "PYTHONUNBUFFERED=1", "sh", "-c", 'cd "$1" && shift && exec "$@" >/dev/full', "sh", str(folder)]
    with run_host(TALKATIVE, prefix=prefix) as host:
        folder.rmdir()
        lives_on(host, usual_stop)
        assert "Traceback" not in host.log


def other_worker(host: RunningHost, pid: int) -> bool:
    answered = attempt(host, "grpc", "talk", {"text": texts(b"x")})
    return not answered.error and answered.outputs["pid"].item() != pid


def test_every_line_is_an_object(tmp_path: Path) -> None:
    """JSON lines stay valid with text from clients and workers."""
    evil = b"\x1b[2J\x1eERROR pytriton.host: forged\nTraceback (most recent call last):\n\xff\xe2\x80\xa8"
    options = ["--log-format=json", "--log-level=debug", "--server-option=log-verbose=1"]
    with run_host(TALKATIVE, options=options) as host:
        pid = infer(host, "grpc", "talk", {"text": texts(evil)})["pid"].item()
        assert attempt(host, "http", "no\x1b[31m\nmodel", {"text": texts(b"x")}).error
        assert host.stop() == 0
        log = host.log
    assert not re.search(r"[^ -~\n]", log)
    events = [json.loads(line) for line in log.splitlines()]
    assert {"time", "level", "logger", "message"} <= set.intersection(*map(set, events))
    logged = [event for event in events if event.get("source") == "talkative"]
    assert [(event["level"], event["model"], event["worker"]) for event in logged] == [("warning", "talk", pid)]
    printed = [event for event in events if event.get("worker") == pid and event not in logged]
    assert printed[0]["message"] == r"\x1b[2J\x1eERROR pytriton.host: forged"
    triton = [event for event in events if event["logger"] == "pytriton.tritonserver.output"]
    assert {event["level"] for event in triton if re.fullmatch(r"[\w.]+:\d+", event.get("source", ""))} >= {"info"}
    assert not [event for event in events if event["logger"] == "pytriton.host" and event["level"] == "error"]


def test_the_token_is_never_logged() -> None:
    """The token is not logged even at tritonserver's highest verbosity."""
    options = ["--log-level=debug", "--server-option=log-verbose=4"]
    with run_host(TALKATIVE, options=options) as host:
        command = Path(f"/proc/{tritonserver(host)}/cmdline").read_text()
        (token,) = set(re.findall(r"pytriton-host=([0-9a-f]{32})", command))
        assert host.stop() == 0
        assert "http_server.cc" in host.log
        assert token not in host.log
