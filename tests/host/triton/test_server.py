"""The command line of tritonserver, and programs that are refused before they could serve."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pytriton_plugins.errors import ServerError
from pytriton_plugins.host.triton.locate import FoundServer
from pytriton_plugins.host.triton.options import ServerSettings, command_line
from pytriton_plugins.host.triton.server import TritonServer
from pytriton_plugins.shm.wire import LinkMessage
from pytriton_plugins.values import Ports

PORTS = Ports(1, 2, 3)
NEEDED = [
    "model-repository",
    "model-control-mode",
    "load-model",
    "exit-on-error",
    "strict-readiness",
    "backend-directory",
    "http-address",
    "http-port",
    "grpc-address",
    "grpc-port",
    "metrics-address",
    "metrics-port",
    "http-restricted-api",
    "grpc-restricted-protocol",
]


def server_that_knows(folder: Path, options: list[str]) -> FoundServer:
    program = folder / "tritonserver"
    program.write_text("#!/bin/sh\necho 'Usage'\n" + "".join(f"echo '  --{name} <string>'\n" for name in options))
    program.chmod(0o755)
    return FoundServer(program, "a test")


def command(found: FoundServer, settings: ServerSettings) -> list[str]:
    return command_line(found, settings, PORTS, Path("/repository"), "secret")


def test_optional_options_that_a_server_lacks_are_left_out(tmp_path: Path) -> None:
    """Options that an older server lacks and that are not essential are left out."""
    _, *flags = command(server_that_knows(tmp_path, NEEDED), ServerSettings())
    assert [flag.removeprefix("--").partition("=")[0] for flag in flags] == NEEDED


@pytest.mark.parametrize("lacking", NEEDED)
def test_a_server_that_lacks_what_keeps_clients_out_is_refused(tmp_path: Path, lacking: str) -> None:
    """A server without an essential option is refused."""
    found = server_that_knows(tmp_path, [name for name in NEEDED if name != lacking])
    with pytest.raises(ServerError, match=f"has no option --{lacking}, which pytriton-host needs; install a newer"):
        command(found, ServerSettings())


def test_restrictions_that_nothing_needs_may_be_lacking(tmp_path: Path) -> None:
    """A server without restrictions is accepted if all categories are open."""
    found = server_that_knows(tmp_path, NEEDED[:-2])
    flags = command(found, ServerSettings(allow=("shared-memory", "model-repository", "trace", "logging")))
    assert not any("restricted" in flag for flag in flags)


@pytest.mark.parametrize("text", ["#!/bin/sh\n", "#!/bin/sh\necho 'cannot load libmissing.so.7'\nexit 127\n"])
def test_a_server_that_does_not_tell_its_options_is_refused(tmp_path: Path, text: str) -> None:
    """A server whose --help shows no options is refused in one line."""
    program = tmp_path / "tritonserver"
    program.write_text(text)
    program.chmod(0o755)
    with pytest.raises(ServerError, match="--help shows no options and ended with exit code") as refused:
        command(FoundServer(program, "a test"), ServerSettings())
    assert "\n" not in str(refused.value)
    assert ("libmissing" in str(refused.value)) == ("libmissing" in text)


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    program = tmp_path / "tritonserver"
    program.write_bytes(b"\x7fELF of another machine")
    program.chmod(0o755)
    with pytest.raises(ServerError, match="cannot be run: Exec format error; name another with --tritonserver"):
        command(FoundServer(program, "a test"), ServerSettings())


def test_a_program_that_goes_before_it_is_started(tmp_path: Path) -> None:
    """A program that is deleted before its start raises ServerError."""
    found = server_that_knows(tmp_path, NEEDED)
    command(found, ServerSettings())
    found.path.unlink()

    class Silent:
        def on_backend_need(self, message: LinkMessage) -> None:
            raise AssertionError(message)

        on_channel_lost = on_model_gone = on_backend_need

    with pytest.raises(ServerError, match="cannot be run: No such file or directory"):
        asyncio.run(TritonServer.start(found, ServerSettings(), PORTS, tmp_path, Silent()))
