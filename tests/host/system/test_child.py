"""Children that print without end or leave processes behind. Each test runs in its own process."""

from __future__ import annotations

from pathlib import Path

from pytriton_plugins.host.system.child import children_of
from tests.support.adversaries.child_programs import run


def test_endless_output_does_not_stop_the_loop() -> None:
    """A child that prints without end does not block the event loop."""
    output = run("""
        async def main():
            first = asyncio.Event()
            child = start("exec yes", lambda line: first.set())
            await first.wait()
            child.kill()
            print(await child.wait())
    """)
    assert output == "-9\n"


def test_an_end_is_seen_while_a_process_of_the_child_prints() -> None:
    """The child's exit is seen although its own child still prints."""
    output = run("""
        async def main():
            child = start("yes & until [ \\"$(cat /proc/$!/comm)\\" = yes ]; do :; done; exit 3")
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            print(await child.wait())
    """)
    assert output == "3\n"


def test_the_last_words_are_complete() -> None:
    """The output is read to its end after the child's exit."""
    output = run("""
        async def main():
            text = "import fcntl; fcntl.fcntl(1, 1031, 1 << 20); print(*['x'] * 250000, 'last', sep=chr(10))"
            child = start(f'exec {sys.executable} -c "{text}"')
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            print(await child.wait(), child.last_lines[-1])
    """)
    assert output == "0 last\n"


def test_all_children_are_ended_and_awaited() -> None:
    output = run("""
        async def main():
            children = [start("exec sleep 60") for _ in range(3)]
            await kill_children(60)
            print([child.running for child in children])
    """)
    assert output == "[False, False, False]\n"


def test_a_child_that_somebody_else_has_reaped() -> None:
    """A child that a hook plugin has reaped counts as ended."""
    output = run("""
        async def main():
            child = start("exit 3")
            os.waitpid(child.pid, 0)
            print(await asyncio.wait_for(child.wait(), 60), await child.reaped)
    """)
    assert output == "0 None\n"


def test_processes_that_a_child_forked_get_sigterm_before_sigkill() -> None:
    """Processes that the child has forked get SIGTERM before SIGKILL."""
    output = run("""
        FORKED = 'trap "echo asked; exit" TERM; kill -9 $PPID; while :; do :; done'

        async def main():
            module._GROUP_TIMEOUT = 60
            Reaper()
            lines = asyncio.Queue()
            child = start(f"sh -c '{FORKED}'; exit", lines.put_nowait)
            print(await child.wait(), await asyncio.wait_for(lines.get(), 60))
    """)
    assert output == "-9 asked\n"


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    """A process that ignores SIGTERM gets SIGKILL."""
    output = run("""
        FORKED = 'trap "" TERM; echo $$; kill -9 $PPID; while :; do :; done'

        async def main():
            Reaper()
            lines = asyncio.Queue()
            child = start(f"sh -c '{FORKED}'; exit", lines.put_nowait)
            forked = int(await lines.get())
            await child.reaped
            while os.path.exists(f"/proc/{forked}"):
                await asyncio.sleep(0.01)
            print("gone")
    """)
    assert output == "gone\n"


def test_shared_memory_that_a_killed_child_has_left_is_removed() -> None:
    """Python's resource tracker, a process in the child's group, removes it."""
    output = run("""
        LEAVES = (
            "import os, signal; from multiprocessing.shared_memory import SharedMemory; "
            "memory = SharedMemory(create=True, size=1); print(memory.name, flush=True); "
            "os.kill(os.getpid(), signal.SIGKILL)"
        )

        async def main():
            module._GROUP_TIMEOUT = 60
            Reaper()
            lines = asyncio.Queue()
            child = start(f"exec {sys.executable} -c '{LEAVES}'", lines.put_nowait)
            name = await lines.get()
            await child.reaped
            print(os.path.exists(f"/dev/shm/{name}"))
    """)
    assert output == "False\n"


def test_a_thread_that_ends_meanwhile_has_no_children(tmp_path: Path) -> None:
    """A thread that ends while /proc is read counts as one without children."""
    for thread in ("1", "2"):
        (tmp_path / thread).mkdir()
    (tmp_path / "1" / "children").write_text("5 6 ")
    assert children_of(tmp_path) == {5, 6}
