"""`status` of a real host: the JSON document and the table while it starts, serves and ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from pytriton_plugins.testing.host import PROGRAM
from tests.support.paths import MODELS
from tests.support.sandbox.command import call_host
from tests.support.traffic.clients import Crowd, Gate

MIB = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def host(tmp_path: Path, folder: Path) -> Iterator[RunningHost]:
    """Serves `Gated` with two workers and batches of four; a second plugin is broken and optional."""
    (tmp_path / "host.toml").write_text("[models.Gated]\nmax_batch_size = 4\n")
    broken = tmp_path / "broken.py"
    broken.write_text("raise OSError('no weights [red] \\x1b[31m')\n")
    options = [f"--run-dir={folder}", "--workers=2", f"--optional={broken}", f"--config={tmp_path / 'host.toml'}"]
    with run_host(MODELS / "gated.py", broken, options=options) as host:
        wait_until(lambda: status(folder)["models"][0]["workers"]["live"] == 2, 20, "both workers serve")
        yield host


def answered(folder: Path) -> dict[str, Any]:
    """The status once tritonserver has answered all of it: what it does not tell within half a second is missing."""

    def whole() -> dict[str, Any] | None:
        document = status(folder)
        asked = [document["tritonserver"]["version"], *document["models"][0]["requests"].values()]
        return None if None in asked else document

    return wait_until(whole, 20, "tritonserver has answered") or {}


def status(folder: Path) -> dict[str, Any]:
    done = call_host("status", f"--run-dir={folder}", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_document_describes_the_daemon_and_its_models(host: RunningHost, folder: Path, tmp_path: Path) -> None:
    document = answered(folder)
    assert (document["schema"], document["pid"], document["state"]) == (1, host.process.pid, "serving")
    assert (document["ready"], document["reasons"]) == (True, [])
    assert tuple(document["ports"].values()) == host.ports
    assert 0 < document["uptime"] < 120
    server = document["tritonserver"]
    assert Path(f"/proc/{server['pid']}/exe").resolve() == Path(server["path"])
    assert server["version"].count(".") == 2
    (model,) = document["models"]
    assert (model["model"], model["version"], model["ready"], model["required"]) == ("Gated", 1, True, True)
    assert (model["workers"]["wanted"], model["workers"]["live"], model["restarts"]) == (2, 2, 0)
    assert (model["memory"]["in_use"], model["memory"]["max"]) == (16 * MIB, 2048 * MIB)
    assert model["requests"] == {"in_flight": 0, "waiting": 0}
    (broken,) = document["broken"]
    assert (broken["plugin"], broken["required"]) == (str(tmp_path / "broken.py"), False)
    assert "OSError: no weights" in broken["error"]
    assert any("OSError: no weights" in each["message"] for each in document["errors"])


def test_requests_are_counted_where_they_are(host: RunningHost, folder: Path, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    with Crowd(host, 60) as crowd:
        sent = []

        def requests() -> dict[str, int]:
            counted: dict[str, int] = status(folder)["models"][0]["requests"]
            return counted

        for running in (1, 2):  # one after the other: two at once may go to one worker, as one batch
            sent.append(crowd.send("Gated", {"gate": gate.tensor}))
            wait_until(lambda: requests() == {"in_flight": running, "waiting": 0}, 20, "it runs")  # noqa: B023 - at once
        sent += [crowd.send("Gated", {"gate": gate.tensor}) for _ in range(50)]
        wait_until(lambda: requests() == {"in_flight": 2, "waiting": 50}, 20, "the others wait")
        wait_until(gate.is_reached, 20, "a worker is at the gate")
        gate.open()
        wait_until(lambda: release(gate, tmp_path) and all(each.done() for each in sent), 20, "all are answered")
        wait_until(lambda: requests() == {"in_flight": 0, "waiting": 0}, 20, "none is left")


def release(gate: Gate, folder: Path) -> bool:
    """Open the gate for the requests that wait at it now."""
    if gate.is_reached():
        gate.open()
    return True


def test_a_worker_that_was_replaced_is_counted(host: RunningHost, folder: Path) -> None:
    before = status(folder)["models"][0]["workers"]["pids"]
    os.kill(before[0], 9)

    def replaced() -> bool:
        (model,) = status(folder)["models"]
        pids = model["workers"]["pids"]
        return model["restarts"] == 1 and len(pids) == 2 and before[1] in pids and before[0] not in pids

    wait_until(replaced, 20, "another is in its place")


def test_the_table(host: RunningHost, folder: Path, tmp_path: Path) -> None:
    """Text from plugins is printed unchanged."""
    pids = map(str, status(folder)["models"][0]["workers"]["pids"])
    row = ["Gated", "1", "ready", "yes", "2/2", *pids, "0", "0/16/2048", "0/0"]

    def table() -> str:
        done = call_host("status", f"--run-dir={folder}")
        assert done.returncode == 0
        return done.stdout if row in [line.split() for line in done.stdout.splitlines()] else ""

    shown = wait_until(table, 20, f"the table has {row}")
    assert shown.isprintable() or "\x1b" not in shown
    headings = ["model", "version", "state", "required", "workers", "restarts", "MiB", "requests"]
    assert headings in [line.split() for line in shown.splitlines()]
    assert "serving, ready" in shown
    assert f"{tmp_path / 'broken.py'} (optional)" in shown
    assert "no weights [red] \\x1b[31m" in shown


def test_while_it_starts(tmp_path: Path, folder: Path) -> None:
    gate = tmp_path / "import"
    os.mkfifo(gate)
    env = {"LIFE_AT_IMPORT": "block", "LIFE_GATE": str(gate)}
    with run_host(MODELS / "life.py", options=[f"--run-dir={folder}"], env=env, ready=False):
        wait_until(lambda: call_host("status", f"--run-dir={folder}").returncode == 0, 20, "it answers")
        document = status(folder)
        assert (document["state"], document["ready"], document["models"]) == ("starting", False, [])
        assert document["reasons"] == [f"starting: importing {MODELS / 'life.py'} …"]
        gate.write_bytes(b"")
        wait_until(lambda: status(folder)["ready"], 20, "it is ready")


def test_watching_ends_with_the_host(host: RunningHost, folder: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, "status", f"--run-dir={folder}", "--json", "--watch"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        seen = [json.loads(watching.stdout.readline()) for _ in range(2)]
        assert [each["pid"] for each in seen] == [host.process.pid] * 2
        assert 0.5 < seen[1]["uptime"] - seen[0]["uptime"] < 60
        host.process.kill()
        assert watching.wait(60) == 1
        output = watching.stderr.read()
    assert output.startswith(f"pytriton-host: the pytriton-host with pid {host.process.pid} does not answer: ")
    assert output.count("\n") == 1


def test_watching_is_ended_by_an_interrupt(host: RunningHost, folder: Path) -> None:
    ask = [sys.executable, "-c", PROGRAM, "status", f"--run-dir={folder}", "--json", "--watch"]
    command = ["env", "--default-signal=INT", *ask]  # who started the tests may ignore it
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watching:
        assert watching.stdout is not None
        watching.stdout.readline()
        watching.send_signal(2)
        assert watching.wait(60) == 0


def test_no_host(folder: Path) -> None:
    done = call_host("status", f"--run-dir={folder}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"pytriton-host: no pytriton-host of this user runs in {folder}\n"
