"""The notebook of the page, executed by Jupyter's own kernel, which is interrupted, restarted and killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytriton_plugins.testing import wait_until
from tests.support.docs.blocks import blocks
from tests.support.docs.kernel import CellFailed, Kernel, kernel
from tests.support.sandbox.leftovers import Mark, freeze
from tests.support.sandbox.ports import can_listen

PAGE = [block for block in blocks("python") if block.page == "serve-from-a-notebook"]
CELLS = {block.name: block.text for block in PAGE}
START, SERVE, CALL, SHOW, END = (CELLS[f"cell-{number}.py"] for number in range(1, 6))
SOON = 60.0
"""Seconds after which a wait of these tests fails."""

WARM = """
import threading
returns = threading.Event()
zeros = {"data_type": "TYPE_FP32", "dims": [1], "zero_data": True}
warm_up = {"model_warmup": [{"name": "zeros", "batch_size": 1, "inputs": {"x": zeros}}]}

def slow(x):
    returns.wait()
    return x

x = Tensor("x", np.float32, (-1,))
"""
ATTACH_SLOW = "host.attach(slow, inputs=[x], outputs=[Tensor('y', np.float32, (-1,))], triton_config=warm_up)"


@pytest.fixture(scope="module")
def mark() -> Mark:
    return Mark()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, mark: Mark) -> Iterator[Kernel]:
    """One kernel for the tests of this module."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "tripled.py").write_text(CELLS["tripled.py"])
    (folder / "slow_import.py").write_text("import time\ntime.sleep(600)\n")
    with kernel(folder, mark.env) as started:
        yield started


@pytest.fixture
def notebook(shared: Kernel) -> Iterator[Kernel]:
    """The kernel, in which each test starts a host of its own."""
    yield shared
    shared.run("if 'host' in globals(): host.close()")


def beside(notebook: Kernel, mark: Mark) -> dict[int, str]:
    """The processes that the kernel has started: those of daemons."""
    return {
        pid: line for pid, line in mark.processes().items() if "notebook_program" not in line and pid != notebook.pid
    }


def test_the_cells_of_the_page(notebook: Kernel, mark: Mark) -> None:
    """In their order; cells run again, and replace what they served."""
    notebook.run(START)
    notebook.run(SERVE)
    notebook.run(CALL)
    notebook.run(SERVE.replace("x + offset", "x + 2 * offset"))
    notebook.run(CALL.replace("[[4, 6]]", "[[5, 7]]"))
    notebook.run("offset = 2")
    notebook.run(CALL.replace("[[4, 6]]", "[[7, 9]]"))
    assert notebook.run(SHOW).endswith(", models shifted (attached)>\n")
    for factor in (3, 4):
        notebook.run(f"path = 'tripled.py'; text = open(path).read().replace('x * 3', 'x * {factor}')")
        notebook.run("open(path, 'w').write(text)")
        notebook.run(CELLS["cell-file.py"])
        notebook.run(f"assert client['tripled'](x=[[2]])['tripled'].tolist() == [[{2 * factor}]]")
    assert notebook.run(SHOW).endswith(", models shifted (attached), tripled>\n")
    notebook.run(END)
    assert beside(notebook, mark) == {}


def test_an_interrupt_while_a_host_starts(notebook: Kernel, mark: Mark) -> None:
    with pytest.raises(CellFailed, match=r"^KeyboardInterrupt: $"):
        notebook.run_interrupted(START.replace("Host(http", "Host('slow_import.py', http"), "startup.py", "wait_ready")
    assert beside(notebook, mark) == {}


def test_an_interrupt_in_attach(notebook: Kernel) -> None:
    """While the callable warms up: it is not served, and the next cell attaches it."""
    notebook.run(START + WARM)
    with pytest.raises(CellFailed, match=r"^KeyboardInterrupt: $"):
        notebook.run_interrupted(ATTACH_SLOW, "attachment.py", "ready")
    notebook.run(f"returns.set()\n{ATTACH_SLOW}")
    assert notebook.run(SHOW).endswith(", models slow (attached)>\n")


def test_an_interrupt_in_wait(notebook: Kernel) -> None:
    notebook.run(START + SERVE)
    assert notebook.run_interrupted("host.wait()\nprint('after')", "process.py", "wait") == "after\n"
    notebook.run(CALL)


def test_the_daemon_is_stopped_and_killed(notebook: Kernel, mark: Mark) -> None:
    """The cell gets an exception that says so, and the kernel goes on."""
    pid = int(notebook.run(f"{START}\nprint(host.pid)"))
    notebook.run("import pytriton_plugins.script.process as process\nprocess.ANSWER_SECONDS = 0.2")
    freeze(pid)
    try:
        late = f"^HostError: the pytriton-host with pid {pid} did not answer within 0.2 s; see whether it is stopped"
        with pytest.raises(CellFailed, match=late):
            notebook.run(SERVE)
    finally:
        os.kill(pid, signal.SIGCONT)
    notebook.run(f"process.ANSWER_SECONDS = 60\n{SERVE}")
    killer = f"threading.Timer(0.1, os.kill, ({pid}, signal.SIGKILL)).start()"
    with pytest.raises(CellFailed, match=rf"^HostError: the daemon \(process {pid}\) was killed by SIGKILL$"):
        notebook.run(f"import os, signal, threading\n{killer}\nhost.wait()")
    with pytest.raises(CellFailed, match=rf"^HostError: the daemon \(process {pid}\) was killed by SIGKILL$"):
        notebook.run(SERVE)
    assert notebook.run("print(host)").endswith(", ended>\n")
    wait_until(lambda: not beside(notebook, mark), SOON, "nothing is left of the daemon")


def test_the_kernel_ends(tmp_path: Path) -> None:
    """It is restarted, then killed: nothing is left of its daemon, no process, and the ports are free."""
    mark = Mark()
    with kernel(tmp_path, mark.env) as notebook:
        for end in (notebook.restart, notebook.kill):
            notebook.run(START + SERVE + CALL)
            ports = [int(each) for each in notebook.run("print(*host._ports.values())").split()]
            assert len(beside(notebook, mark)) >= 2
            end()
            wait_until(lambda: not beside(notebook, mark), SOON, "nothing is left of the daemon")
            assert all(map(can_listen, ports))
