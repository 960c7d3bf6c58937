"""The process of a daemon that this program owns: its start, its end, and why it ended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from pytriton_plugins.errors import ConfigError, ControlError, HostError
from pytriton_plugins.host.control.client import CONNECT_TIMEOUT, HostConnection, connected
from pytriton_plugins.host.system.child import describe_exit
from pytriton_plugins.script.lifeline import Lifeline
from pytriton_plugins.script.log_relay import LogRelay
from pytriton_plugins.script.options import HostOptions
from pytriton_plugins.script.program import PROGRAM

_USAGE_ERROR = 2
"""The exit code of a daemon with a wrong option, variable or file."""

ANSWER_SECONDS = 10.0
"""Seconds in which a daemon answers that is not stopped; a command with a timeout of its own gets them beyond that."""

_END_SECONDS = 0.3
_ABANDON_SECONDS = 5.0
"""Seconds in which a daemon ends that has lost its owner; then it is killed."""

_RELAY_SECONDS = 1.0
"""Seconds for the last lines of the log of a daemon that has ended."""


class DaemonProcess:
    """A daemon in a session of its own, so that Ctrl-C does not reach it; its log goes to `logging`.

    It ends with this process in any case. What a fork of this process does with it has no effect.
    """

    def __init__(self, targets: Sequence[str], options: HostOptions) -> None:
        """Start it; raises HostError where no process can be started."""
        self._owner = os.getpid()
        self._stop_seconds = options.stop_seconds
        self._stopping = threading.Lock()
        self.is_closed = False
        """This program has stopped it."""
        self.folder = ""
        """The daemon's private folder, once it has answered."""
        try:
            self._lifeline = Lifeline()
            self._process = self._started([*options.options, *self._lifeline.options, "--", *targets], options)
        except OSError as error:
            raise HostError(f"no daemon can be started: {error.strerror}") from None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._relay = LogRelay(self._process.stdout, self._process.stderr)
        self.pid = self._process.pid

    def _started(self, arguments: Sequence[str], options: HostOptions) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "serve", "--log-format=json", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **options.variables},
                pass_fds=self._lifeline.inherit,
                start_new_session=True,
            )
        except BaseException:
            self._lifeline.close()
            raise
        finally:
            self._lifeline.handed_over()

    @property
    def is_ours(self) -> bool:
        """Whether this is the process that started it, and not a fork of that."""
        return os.getpid() == self._owner

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def check(self) -> None:
        """Raises HostError in a fork of the owner, for a closed daemon, and with the reason for one that has ended."""
        if not self.is_ours:
            raise HostError(
                f"this Host belongs to process {self._owner}, and process {os.getpid()} is a fork of it; "
                "start another Host here"
            )
        if self.is_closed:
            raise HostError("this Host is closed; start another one")
        if not self.is_running:
            raise self.end()

    @property
    def is_usable(self) -> bool:
        """Whether `check` raises nothing."""
        return self.is_ours and not self.is_closed and self.is_running

    @property
    def state(self) -> str:
        """For `repr`: why it cannot be used; empty if it can be."""
        if self.is_closed:
            return ", closed"
        return "" if self.is_usable else ", ended" if self.is_ours else ", of a parent process"

    def check_answers(self) -> None:
        """As `check`; raises HostError for a daemon that does not answer too, because it is stopped."""
        self.answer("summary")

    def answer(self, command: str) -> dict[str, object]:
        """The answer to a command that needs no time; raises HostError as `check_answers` does."""
        return answered(self.ask, command)

    def end(self) -> HostError | ConfigError:
        """Why it has ended."""
        self._relay.join(_RELAY_SECONDS)
        status = self._process.wait()
        problems = self._relay.problems
        if status == _USAGE_ERROR and problems:
            return ConfigError(*problems)
        ended = f"the daemon (process {self.pid}) has ended with {describe_exit(status)}"
        if status < 0:
            ended = f"the daemon (process {self.pid}) was {describe_exit(status)}"
        return HostError(*(problems if status > 0 and problems else [ended]))

    def connect(self, timeout: float = ANSWER_SECONDS) -> HostConnection:
        """A connection to its control socket, once that listens, which may take ``timeout`` seconds.

        Raises HostError or ConfigError if it ends before, HostError if it is late.
        """
        until = time.monotonic() + timeout
        while not self.folder:
            self.check()
            if time.monotonic() > until:
                late = f"the daemon (process {self.pid}) has not begun to serve after {timeout:g} s"
                raise HostError(f"{late}: the import of a hook plugin takes longer, or it is stopped; see its log")
            self.folder = self._lifeline.announced() or ""
            if not self.folder and not self.is_running:
                raise self.end()
        connection = connected(self.folder, CONNECT_TIMEOUT)
        if connection is None:
            self.check()
            raise HostError(f"the daemon (process {self.pid}) does not answer; see its log")
        return connection

    def ask(self, question: dict[str, object], timeout: float) -> dict[str, object]:
        """The answer to one command; raises ControlError with the daemon's reason, HostError where it has ended."""
        self.check()
        connection = self.connect()
        try:
            answer: dict[str, object] = connection.ask(question, timeout, lambda progress: None)
            return answer
        except ControlError:
            self.wait_a_moment()
            self.check()
            raise
        finally:
            connection.close()

    def wait_a_moment(self) -> None:
        """Wait until it has ended, for a moment: one that was killed closes its connections before its end is seen."""
        until = time.monotonic() + _END_SECONDS
        while self.is_running and time.monotonic() < until:
            time.sleep(0.01)

    def wait(self) -> None:
        """Return when it has ended."""
        self._process.wait()

    def stop(self) -> None:
        """Stop it in order, and wait for its end; KeyboardInterrupt ends the wait for requests in flight."""
        if not self.is_ours:
            return
        with self._stopping:
            self.is_closed = True
            try:
                self._terminate()
            except KeyboardInterrupt:
                self._terminate()  # its second signal: it does not wait any longer
                raise
            finally:
                self._release()

    def abandon(self, told: Sequence[str] = ()) -> None:
        """Have it stop at once, and wait a moment for its end; ``told``: what an exception says of its log."""
        if self.is_ours:
            self.is_closed = True
            self._relay.give_up()
            self._lifeline.close()
            self._wait_or_kill(_ABANDON_SECONDS)
            self._release()
            self._relay.failed(told)

    def started(self) -> None:
        """It is ready: from now on its whole log is passed on."""
        self._relay.started()

    def _terminate(self) -> None:
        self._process.terminate()
        self._wait_or_kill(self._stop_seconds)

    def _wait_or_kill(self, seconds: float) -> None:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _release(self) -> None:
        self._lifeline.close()
        self._relay.join(_RELAY_SECONDS)


def answered(ask: Callable[[dict[str, object], float], dict[str, Any]], command: str) -> dict[str, Any]:
    """The answer to a command that needs no time; raises HostError where there is none."""
    try:
        return ask({"command": command}, ANSWER_SECONDS)
    except ControlError as error:
        raise HostError(f"{error}; see whether it is stopped") from None
