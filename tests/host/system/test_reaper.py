"""Exit codes that the daemon takes, and adopted processes that it ends. Each test runs in its own process."""

from __future__ import annotations

from tests.support.adversaries.child_programs import run


def test_a_hook_plugin_gets_its_childs_exit_code() -> None:
    output = run("""
        async def main():
            reaper = Reaper()
            child = subprocess.Popen(["sh", "-c", "exit 3"])
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            reaper.reap()
            print(child.wait())
    """)
    assert output == "3\n"


def test_a_child_that_ends_at_once_keeps_its_exit_code() -> None:
    output = run("""
        async def main():
            reaper = Reaper()
            child = start("exit 4")
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            reaper.reap()
            print(await child.wait())
    """)
    assert output == "4\n"


LEAVES = """
    async def left_behind(command):
        "A child that ended, and left ``command`` in a session of its own."
        ready = asyncio.Event()
        child = start(f"setsid sh -c '{command}' & exec sleep 60", lambda line: ready.set())
        await ready.wait()
        child.kill()
        await child.wait()
"""


def test_an_adopted_process_that_has_ended_is_reaped() -> None:
    """Adopted processes are reaped when they end."""
    output = run(
        LEAVES
        + """
    async def main():
        reaper = Reaper()
        await left_behind("echo up; exec sleep 60")
        (pid,) = reaper.adopted()
        os.kill(pid, signal.SIGKILL)
        while reaper.adopted():
            await asyncio.sleep(0)
        print("reaped")
"""
    )
    assert output == "reaped\n"


def test_children_of_the_adopted_end_too() -> None:
    """At the end of the daemon, children of adopted processes are ended too."""
    output = run(
        LEAVES
        + """
    async def main():
        reaper = Reaper()
        await left_behind("sleep 60 & sleep 60 & echo up; wait")
        await reaper.kill_adopted(60)
        print(reaper.adopted())
"""
    )
    assert output == "set()\n"
