"""Whole programs with a client: their end, signals, forks and threads leave nothing and say nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytriton_plugins.testing import RunningHost

PROGRAMS = {
    "it is not closed": """
print(client["echoed", 1](x=1)["y"].tolist())
""",
    "requests are running": """
client["waiting"].submit(seconds=60)
stream = client["endless"].stream(x=80)
print(next(stream)["y"].tolist())
""",
    "a child ends as usual": """
import os
import sys

client["echoed", 1](x=1)
child = os.fork()
if not child:
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
print(client["echoed", 1](x=1, timeout=30)["y"].tolist())
""",
    "a child ends while requests are running": """
import gc
import os
import sys

client["echoed", 1](x=1)
future = client["waiting"].submit(seconds=2, id="not cancelled")
stream = client["endless"].stream(x=81)
next(stream)
child = os.fork()
if not child:
    del future, stream
    gc.collect()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
assert [int(next(stream)["y"][0, 0]) for _ in range(50)] == [*range(1, 51)]
stream.close()
assert future.result(60)["id"].tolist() == [b"not cancelled"]
print(client["echoed", 1](x=1, timeout=30)["y"].tolist())
""",
    "a child of a program with an event loop": """
import asyncio
import os
import sys

from pytriton_plugins.client import AsyncClient

several = AsyncClient(URL)
loop = asyncio.new_event_loop()
loop.run_until_complete(several["echoed", 1](x=1))
child = os.fork()
if not child:
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
print(loop.run_until_complete(several["echoed", 1](x=1, timeout=30))["y"].tolist())
loop.run_until_complete(several.close())
loop.close()
""",
    "a child has a client of its own": """
import multiprocessing


def ask(answers):
    with Client(URL) as own:
        answers.put(own["echoed", 1](x=1)["y"].tolist())


client["echoed", 1](x=1)
context = multiprocessing.get_context("fork")
answers = context.Queue()
process = context.Process(target=ask, args=(answers,))
process.start()
print(answers.get(timeout=60))
process.join()
""",
    "Ctrl-C": """
import signal
import threading

client["echoed", 1](x=1)
threading.Timer(0.5, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
try:
    client["waiting"](seconds=60)
except KeyboardInterrupt:
    print(client["echoed", 1](x=1)["y"].tolist())
""",
    "the garbage collector runs in another thread": """
import gc
import threading

client.itself = client
answer = client["echoed", 1](x=1)["y"].tolist()
client = None
thread = threading.Thread(target=gc.collect)
thread.start()
thread.join()
print(answer)
assert threading.active_count() == 1, threading.enumerate()
""",
    "event loops in several threads": """
import asyncio
import logging
import threading

from pytriton_plugins.client import AsyncClient

logging.basicConfig()


async def ask():
    async with AsyncClient(URL) as each:
        for _ in range(100):
            answer = await each["echoed", 1](x=1)
    answers.append(answer["y"].tolist())


answers = []
threads = [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(answers) == 3
print(client["echoed", 1](x=1)["y"].tolist())
""",
    "inside a running event loop": """
import asyncio


async def cell():
    print(client["echoed", 1](x=1)["y"].tolist())


asyncio.run(cell())
""",
    "an event loop ends while a stream is open": """
import asyncio

from pytriton_plugins.client import AsyncClient


async def main():
    async with AsyncClient(URL) as several:
        stream = several["endless"].stream(x=82)
        await anext(stream)
        await anext(several["endless"].stream(x=83))
        kept.append(stream)
    other = AsyncClient(URL)
    kept.append(other["endless"].stream(x=84))
    await anext(kept[-1])
    print((await other["echoed", 1](x=1))["y"].tolist())
    kept.append(asyncio.create_task(other["waiting"](seconds=60)))


kept = []
asyncio.run(main())
""",
    "an asynchronous client is not closed": """
import asyncio

from pytriton_plugins.client import AsyncClient


async def main():
    global left
    left = AsyncClient(URL)
    print((await left["echoed", 1](x=1))["y"].tolist())


asyncio.run(main())
""",
}


ALLOWED = {
    "a child ends as usual": ("DeprecationWarning", "ResourceWarning"),
    "a child ends while requests are running": ("DeprecationWarning", "ResourceWarning"),
    "a child of a program with an event loop": ("DeprecationWarning", "ResourceWarning"),
    "a child has a client of its own": ("DeprecationWarning",),
    "an event loop ends while a stream is open": ("ResourceWarning",),
    "an asynchronous client is not closed": ("ResourceWarning",),
}
"""Python warns of a fork beside threads, and of sockets that are left open; gRPC reports a fork beside its requests."""


LOG = """
import os

client["echoed", 1](x=1)
child = os.fork()
if not child:
    os.closerange(3, 256)
    logs = [os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND) for _ in range(60)]
    grandchild = os.fork()
    if not grandchild:
        for log in logs:
            os.write(log, b".")
        os._exit(0)
    os._exit(os.waitpid(grandchild, 0)[1])
assert os.waitpid(child, 0)[1] == 0
assert os.path.getsize("log") == 60
print(client["echoed", 1](x=1, timeout=30)["y"].tolist())
"""


def ran(url: str, program: str, allowed: tuple[str, ...], folder: Path) -> tuple[str, list[str], int]:
    """The output of a program, the lines of its errors, and its exit code."""
    lines = ["from pytriton_plugins.client import Client", f"URL = {url!r}", "client = Client(URL)", program]
    command = [sys.executable, "-Werror", *[f"-Wignore::{each}" for each in allowed], "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)
    messages = [line for line in done.stderr.splitlines() if "fork_posix.cc" not in line]
    return done.stdout.strip(), messages, done.returncode


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_says_what_it_prints_and_no_more(url: str, program: str, tmp_path: Path) -> None:
    expected = "[[0]]" if program == "requests are running" else "[[1]]"
    assert ran(url, PROGRAMS[program], ALLOWED.get(program, ()), tmp_path) == (expected, [], 0)


def test_a_child_opens_a_log_on_a_number_of_its_parents_connections(host: RunningHost, tmp_path: Path) -> None:
    """gRPC itself does not live in a child that has closed everything."""
    found = ran(f"http://{host.http}", LOG, ("DeprecationWarning",), tmp_path)
    assert found == ("[[1]]", [], 0)
