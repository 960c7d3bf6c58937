"""Whole programs with a client: their end, signals, forks and threads leave nothing and say nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
    "a child has a client of its own": ("DeprecationWarning",),
    "an asynchronous client is not closed": ("ResourceWarning",),
}
"""Python warns of a fork beside threads, and of sockets that are left open."""


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_says_what_it_prints_and_no_more(url: str, program: str) -> None:
    lines = ["from pytriton_plugins.client import Client", f"URL = {url!r}", "client = Client(URL)", PROGRAMS[program]]
    allowed = [f"-Wignore::{each}" for each in ALLOWED.get(program, ())]
    command = [sys.executable, "-Werror", *allowed, "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    expected = "[[0]]" if "endless" in lines[-1] else "[[1]]"
    assert (done.stdout.strip(), done.stderr, done.returncode) == (expected, "", 0)
