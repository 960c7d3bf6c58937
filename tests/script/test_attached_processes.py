"""Processes that attach callables: they share models, end, fork, hang, and lose their daemon."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from pytriton_plugins.errors import AttachError
from pytriton_plugins.script.attach import attach
from pytriton_plugins.script.connection import connect
from pytriton_plugins.shm.long import receive_json, send_json
from pytriton_plugins.shm.wire import VERSION
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.sandbox.command import call_host
from tests.support.script.calls import X, Y, call, is_served
from tests.support.script.programs import program

SERVES = """
served(lambda x: x * 3)
sys.stdin.read()
"""

PLUGIN = """
import numpy as np
from pytriton_plugins import Tensor, infer_func


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
def plugged(x):
    return x
"""

SOON = 30.0
"""Seconds after which a wait of these tests fails; tests/reliability/test_row_20_script_killed.py has the figures."""


def wait_gone(host: RunningHost, model: str) -> None:
    wait_until(lambda: not is_served(host, model), SOON, f"{model} is gone")


def test_a_killed_process_takes_its_model_with_it(host: RunningHost, run_dir: Path) -> None:
    """The daemon is ready without it."""
    with program(run_dir, SERVES) as theirs:
        assert theirs.line() == "attached"
        assert call(host, "theirs", 1) == [3]
        theirs.process.kill()
        wait_gone(host, "theirs")
    host.wait_ready()
    wait_until(lambda: '"theirs"' not in call_host("models", "list", "--json", f"--run-dir={run_dir}").stdout)


def test_a_program_that_ends_does_so_without_a_word(host: RunningHost, run_dir: Path) -> None:
    with program(run_dir, SERVES) as theirs:
        assert theirs.line() == "attached"
        assert theirs.ended() == (0, "")
        wait_gone(host, "theirs")


def test_the_commands_show_it_as_attached(host: RunningHost, run_dir: Path) -> None:
    with program(run_dir, SERVES) as theirs:
        assert theirs.line() == "attached"
        for command in ("status", "models list"):
            shown = call_host(*command.split(), f"--run-dir={run_dir}").stdout
            assert f"1/1 attached {theirs.pid}" in shown
        assert (
            f'"plugin": "process {theirs.pid} (train.py)"'
            in call_host("models", "list", "--json", f"--run-dir={run_dir}").stdout
        )
    wait_gone(host, "theirs")


def test_the_same_declaration_makes_one_more_worker(host: RunningHost, run_dir: Path) -> None:
    """Both answer; when one is killed, the other one serves on."""
    with program(run_dir, SERVES) as first, program(run_dir, SERVES, "other.py") as second:
        assert (first.line(), second.line()) == ("attached", "attached")
        first.process.kill()
        wait_until(lambda: f"2/2 attached {first.pid}" not in call_host("status", f"--run-dir={run_dir}").stdout)
        assert call(host, "theirs", 1) == [3]
        second.process.kill()
        wait_gone(host, "theirs")


def test_another_declaration_under_that_name_is_refused(host: RunningHost, run_dir: Path) -> None:
    with program(run_dir, SERVES) as theirs:
        assert theirs.line() == "attached"
        with pytest.raises(AttachError) as refused:
            attach(run_dir, lambda x: x, name="theirs", inputs=[X], outputs=[Y], max_batch_size=4)
        ours = f"process {os.getpid()}"
        first, _, last = str(refused.value).partition(ours)
        assert first == (
            "model theirs version 1 cannot be attached: model theirs version 1 is served already by process "
            f"{theirs.pid} (train.py) with another declaration than that of "
        )
        assert last.endswith("(other max_batch_size); declare both alike, or give it another name or version")
        assert call(host, "theirs", 1) == [3]
    wait_gone(host, "theirs")


EXITS = """
def exits(x):
    os._exit(7)

served(exits)
sys.stdin.read()
"""


def test_a_callable_that_ends_its_process_fails_its_request(host: RunningHost, run_dir: Path) -> None:
    with program(run_dir, EXITS) as theirs:
        assert theirs.line() == "attached"
        with pytest.raises(InferenceServerException):
            call(host, "theirs", 1)
        assert theirs.process.wait(SOON) == 7
        wait_gone(host, "theirs")
    host.wait_ready()


FORKS = """
def forks(x):
    child = os.fork()
    if not child:
        links = ["/proc/self/fd/" + each for each in os.listdir("/proc/self/fd")]
        held = [os.readlink(each) for each in links if os.path.islink(each)]
        segments = sum("pytriton-segment" in each for each in held)
        # Python's own duplicate of the descriptor of each mapping, one in either direction.
        os._exit(10 + sum(each.startswith("socket:") for each in held) + 20 * (segments - 2))
    return x + os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

served(forks)
sys.stdin.read()
"""


def test_a_callable_that_forks(host: RunningHost, run_dir: Path) -> None:
    """The child has no socket of ours, no segment that is still to be sent, and the request is answered."""
    with program(run_dir, FORKS) as theirs:
        assert theirs.line() == "attached"
        assert call(host, "theirs", 0) == [10]
        assert call(host, "theirs", 0) == [10]
    wait_gone(host, "theirs")


FORKS_AFTER = r"""
model = served(lambda x: x)
child = os.fork()
if not child:
    try:
        model.check()
    except AttachError as error:
        os.write(1, f"{error}\n".encode())
    model.remove()
    time.sleep(60)
    os._exit(0)
os.write(1, f"{child}\n".encode())
sys.stdin.read()
"""


def test_a_fork_of_the_program_holds_nothing(host: RunningHost, run_dir: Path) -> None:
    """It cannot remove the model either, and when the program is killed, the model is gone although the child lives."""
    with program(run_dir, FORKS_AFTER) as theirs:
        assert theirs.line() == "attached"
        lines = sorted((theirs.line(), theirs.line()))
        assert lines[1] == "model theirs version 1 is not attached by this process, or was removed"
        child = int(lines[0])
        try:
            assert call(host, "theirs", 1) == [1]
            theirs.process.kill()
            wait_gone(host, "theirs")
            os.kill(child, 0)
        finally:
            os.kill(child, signal.SIGKILL)


HOLDS = """
read = ctypes.PyDLL(None).read  # a call that keeps the GIL

def hold():
    os.write(1, b"holds\\n")
    read(0, ctypes.create_string_buffer(1), 1)

def holds(x):
    if x[0, 0]:
        hold()
    return x

served(holds, timeout=60)
if len(sys.argv) > 2:
    hold()
threading.Event().wait()
"""
"""It holds the GIL until a byte comes."""


def test_a_call_that_holds_the_gil_answers_when_it_is_done(host: RunningHost, run_dir: Path) -> None:
    with program(run_dir, HOLDS) as theirs:
        assert theirs.line() == "attached"
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(call, host, "theirs", 1)
            assert theirs.line() == "holds"
            second = pool.submit(call, host, "theirs", 0)
            theirs.tell("")
            assert [first.result(), second.result()] == [[1], [0]]
    wait_gone(host, "theirs")


def test_a_process_that_holds_the_gil_for_long_is_reported(host: RunningHost, run_dir: Path) -> None:
    """It is not killed, and serves when it answers again."""
    with program(run_dir, HOLDS, "train.py", "hold") as theirs:
        assert theirs.line() == "attached"
        assert theirs.line() == "holds"
        silent = f"process {theirs.pid} does not answer: it is stopped, or a call holds the GIL"
        wait_until(lambda: silent in call_host("status", f"--run-dir={run_dir}").stdout, 60, "it is reported")
        wait_until(lambda: host.status("/v2/health/ready") == 400, what="it is not ready")
        theirs.tell("")
        assert call(host, "theirs", 0) == [0]
        wait_until(lambda: host.status("/v2/health/ready") == 200, what="it is ready")
    wait_gone(host, "theirs")


def test_a_call_that_is_late_fails_its_request_and_is_not_ended(host: RunningHost, run_dir: Path) -> None:
    """Meanwhile the daemon is not ready, with the reason; when the call returns, the model serves again."""
    returns = threading.Event()

    def late(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if x[0, 0]:
            returns.wait(60)
        return x

    model = attach(run_dir, late, inputs=[X], outputs=[Y], timeout=2)
    model.ready()
    for _ in range(2):
        with pytest.raises(InferenceServerException) as failed:
            call(host, "late", 1)
        assert failed.value.message().endswith("the callable did not return within the model's timeout of 2 s")
        wait_until(lambda: host.status("/v2/health/ready") == 400, what="it is not ready")
        reason = "its callable did not return within the timeout of 2 s, and has not returned yet"
        assert (
            f"not ready: model late: process {os.getpid()}: {reason}"
            in call_host("status", f"--run-dir={run_dir}").stdout
        )
        returns.set()
        wait_until(lambda: host.status("/v2/health/ready") == 200, what="it is ready")
        assert call(host, "late", 0) == [0]
        returns.clear()
    model.remove()


def test_other_slots_serve_beside_a_late_call(host: RunningHost, run_dir: Path) -> None:
    """The daemon stays ready, and the log names the process."""
    returns = threading.Event()

    def partly(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if x[0, 0]:
            returns.wait(60)
        return x

    model = attach(run_dir, partly, inputs=[X], outputs=[Y], timeout=2, threads=2)
    model.ready()
    with pytest.raises(InferenceServerException):
        call(host, "partly", 1)
    assert [call(host, "partly", 0) for _ in range(4)] == [[0]] * 4
    assert host.status("/v2/health/ready") == 200
    assert f"the call goes on in process {os.getpid()}, which gets no requests for it until it returns" in host.log
    returns.set()
    model.remove()


def test_a_late_call_does_not_hold_up_the_removal(host: RunningHost, run_dir: Path) -> None:
    returns = threading.Event()

    def never(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        returns.wait(60)
        return x

    model = attach(run_dir, never, inputs=[X], outputs=[Y], timeout=2)
    model.ready()
    with pytest.raises(InferenceServerException):
        call(host, "never", 1)
    removal = threading.Thread(target=model.remove)
    removal.start()
    removal.join(20)  # requests that are not late get 30 s
    assert not removal.is_alive()
    returns.set()
    assert not is_served(host, "never")


def test_a_removal_lets_requests_finish(host: RunningHost, run_dir: Path) -> None:
    begun, returns = threading.Event(), threading.Event()

    def slow(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        begun.set()
        returns.wait(60)
        return x

    model = attach(run_dir, slow, inputs=[X], outputs=[Y])
    model.ready()
    with ThreadPoolExecutor(2) as pool:
        answer = pool.submit(call, host, "slow", 5)
        assert begun.wait(60)
        removal = pool.submit(model.remove)
        wait_until(lambda: not is_served(host, "slow") or model._links[0].was_asked_to_end, what="it is being removed")
        returns.set()
        removal.result()
        assert answer.result() == [5]


def test_an_operator_unloads_it(host: RunningHost, run_dir: Path) -> None:
    """Its program learns it; it is attached again from there, and not by a command."""
    model = attach(run_dir, lambda x: x, name="ours", inputs=[X], outputs=[Y])
    model.ready()
    reloaded = call_host("models", "reload", "ours", f"--run-dir={run_dir}")
    assert reloaded.returncode == 1
    assert "there is no plugin to import; attach it again from that process" in reloaded.stderr
    done = call_host("models", "unload", "ours", f"--run-dir={run_dir}")
    assert done.stdout == "model ours version 1: unloaded\n"
    with pytest.raises(AttachError, match=r"^model ours version 1: it was unloaded$"):
        model.wait(10)
    wait_until(lambda: '"ours"' not in call_host("models", "list", "--json", f"--run-dir={run_dir}").stdout)
    again = attach(run_dir, lambda x: x + 1, name="ours", inputs=[X], outputs=[Y])
    again.ready()
    assert call(host, "ours", 1) == [2]
    again.remove()


def test_it_serves_through_the_next_tritonserver(host: RunningHost, run_dir: Path) -> None:
    model = attach(run_dir, lambda x: x * 3, name="lasting", inputs=[X], outputs=[Y], threads=2)
    model.ready()
    status = json.loads(call_host("status", "--json", f"--run-dir={run_dir}").stdout)
    os.kill(status["tritonserver"]["pid"], signal.SIGKILL)
    wait_until(lambda: host.status("/v2/health/ready") != 200)
    host.wait_ready()
    assert call(host, "lasting", 1) == [3]
    model.remove()


def hello(run_dir: Path, **changes: Any) -> tuple[socket.socket, dict[str, Any]]:
    """A link that begins with a ``hello`` like ours, with changes; and the answer."""
    sock, _ = connect(run_dir)
    send_json(sock, {"type": "hello", "protocol": VERSION, "package": "0.1.0", "pid": os.getpid(), **changes})
    sock.settimeout(20)
    message, _ = receive_json(sock)
    assert message is not None
    return sock, message


@pytest.mark.parametrize("changes", [{"package": "0.0.7"}, {"package": None}, {"protocol": 2, "package": "0.0.7"}])
def test_another_version_is_refused(host: RunningHost, run_dir: Path, changes: dict[str, Any]) -> None:
    sock, message = hello(run_dir, **changes)
    assert message["type"] == "rejected"
    assert message["message"].startswith(f"it has pytriton-plugins {changes['package']}, and the daemon has ")
    assert sock.recv(1) == b""
    sock.close()


@pytest.mark.parametrize(
    "garbage", [b"{", b"[]", b'{"type": "models", "models": 3}', b'{"type": "need"}', b"\xff" * 100]
)
def test_a_link_that_breaks_the_protocol_is_closed(host: RunningHost, run_dir: Path, garbage: bytes) -> None:
    sock, _ = connect(run_dir)
    sock.send(garbage)
    sock.close()
    assert host.status("/v2/health/ready") == 200


INTERRUPTED = """
print("ready", flush=True)
sys.stdin.readline()
try:
    served(lambda x: x)
except KeyboardInterrupt:
    print("interrupted", flush=True)
sys.stdin.readline()
served(lambda x: x * 2)
sys.stdin.read()
"""


def test_ctrl_c_in_the_middle_of_attach(host: RunningHost, run_dir: Path) -> None:
    """The daemon, which is stopped for a moment, serves nothing of it, and the program can attach again."""
    with program(run_dir, INTERRUPTED) as theirs:
        assert theirs.line() == "ready"
        os.kill(host.process.pid, signal.SIGSTOP)
        try:
            before = len(os.listdir(f"/proc/{theirs.pid}/task"))
            theirs.tell("attach")
            tasks = Path(f"/proc/{theirs.pid}/task")
            # The threads of the link and of the session: it waits for the daemon's answer.
            wait_until(lambda: len(list(tasks.iterdir())) >= before + 2, what="it waits")
            os.kill(theirs.pid, signal.SIGINT)
            assert theirs.line() == "interrupted"
        finally:
            os.kill(host.process.pid, signal.SIGCONT)
        theirs.tell("again")
        assert theirs.line() == "attached"
        assert call(host, "theirs", 1) == [2]
    wait_gone(host, "theirs")


LOSES = """
model = served(lambda x: x)
try:
    model.wait()
except AttachError as error:
    print(error, flush=True)
print(sum(range(4)), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("number", "how"), [(signal.SIGKILL, "has ended"), (signal.SIGTERM, "has stopped")])
def test_a_daemon_that_ends(tmp_path: Path, number: signal.Signals, how: str) -> None:
    """The program gets an exception, and lives on."""
    (tmp_path / "plugged.py").write_text(PLUGIN)
    host = run_host(tmp_path / "plugged.py", options=["--allow=attach", f"--run-dir={tmp_path}"])
    with host as daemon, program(tmp_path, LOSES) as theirs:
        assert theirs.line() == "attached"
        daemon.process.send_signal(number)
        line = theirs.line()
        owner = f"the pytriton-host with pid {daemon.process.pid}"
        assert line == f"model theirs version 1: {owner} {how}; start one, and attach it again"
        assert theirs.line() == "6"
        assert theirs.ended() == (0, "")


STRANGER = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
os.fchdir(int(sys.argv[1]))
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.settimeout(20)
sock.connect("attach.sock")
print(repr(sock.recv(100)), flush=True)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_not_answered(host: RunningHost, run_dir: Path) -> None:
    """Even where the files would let it in: it inherits the folder."""
    (path,) = run_dir.glob("pytriton-host-*/attach.sock")
    path.chmod(0o666)
    folder = os.open(path.parent, os.O_PATH)
    try:
        path.parent.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", STRANGER, str(folder)], pass_fds=[folder], capture_output=True, text=True, timeout=60
        )
    finally:
        path.parent.chmod(0o700)
        path.chmod(0o600)
        os.close(folder)
    assert done.stdout == "b''\n", done.stderr
    assert "of user 65534 cannot attach: it is not the daemon's user" in host.log
