"""Children that print without end, or leave some behind. Each test is a process of its own, for a loop that starves."""

from __future__ import annotations

from child_programs import run


def test_who_prints_without_end_does_not_stop_the_loop() -> None:
    """Seen red with reads until there is nothing more (`Child._read_output`)."""
    said = run("""
        async def main():
            first = asyncio.Event()
            child = start("exec yes", lambda line: first.set())
            await first.wait()
            child.kill()
            print(await child.wait())
    """)
    assert said == "-9\n"


def test_an_end_is_seen_while_what_the_child_started_prints() -> None:
    """Seen red with reads until there is nothing more at the end (`Child._on_exit`)."""
    said = run("""
        async def main():
            child = start("yes & until [ \\"$(cat /proc/$!/comm)\\" = yes ]; do :; done; exit 3")
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            print(await child.wait())
    """)
    assert said == "3\n"


def test_the_last_words_are_complete() -> None:
    """Seen red with no read at the end (`_LAST_READS` of 0)."""
    said = run("""
        async def main():
            text = "import fcntl; fcntl.fcntl(1, 1031, 1 << 20); print(*['x'] * 250000, 'last', sep=chr(10))"
            child = start(f'exec {sys.executable} -c "{text}"')
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            print(await child.wait(), child.last_lines[-1])
    """)
    assert said == "0 last\n"


def test_all_children_are_ended_and_awaited() -> None:
    """Seen red with no waiting in `kill_children`."""
    said = run("""
        async def main():
            children = [start("exec sleep 60") for _ in range(3)]
            await kill_children(5)
            print([child.running for child in children])
    """)
    assert said == "[False, False, False]\n"
