"""The drain of the daemon, as options and hook plugins choose it, and answers that are not valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytriton_plugins import hookimpl
from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.config.loading import load_config
from pytriton_plugins.errors import ConfigError, HookError
from pytriton_plugins.host.preflight import with_drain
from pytriton_plugins.testing import hook_manager
from pytriton_plugins.values import Drain
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import install, path_with

Flags = dict[str, object]
KUBERNETES = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


class Answers:
    """A hook plugin with one answer; it records its arguments."""

    def __init__(self, answer: Drain | None) -> None:
        self.answer = answer
        self.asked: list[Drain] = []

    @hookimpl
    def pytriton_choose_drain(self, default: Drain) -> Drain | None:
        self.asked.append(default)
        return self.answer


def drain(folder: Path, flags: Flags, *answers: Drain | None, environ: dict[str, str] = KUBERNETES) -> Drain:
    return with_drain(load_config((), flags, environ, folder), hook_manager(*map(Answers, answers))).drain


def test_defaults_hold_without_an_answer(tmp_path: Path) -> None:
    """Without an answer of a plugin the defaults hold."""
    assert drain(tmp_path, {}) == drain(tmp_path, {}, None) == Drain(5, 20, None)
    assert drain(tmp_path, {}, environ={}) == Drain(0, 30, None)


@pytest.mark.parametrize(
    ("flags", "answer", "expected"),
    [
        ({"grace_period": "45"}, None, Drain(5, 35, 45)),
        ({"drain_delay": "0"}, None, Drain(0, 25, None)),
        ({"drain_delay": "29"}, None, Drain(29, 1, None)),
        ({}, Drain(5, 20, 60), Drain(5, 50, 60)),
        ({}, Drain(8, 20), Drain(8, 17, None)),
        ({}, Drain(8, 9, 60), Drain(8, 9, 60)),
        ({"drain_timeout": "7"}, Drain(5, 20, 60), Drain(5, 7, 60)),
    ],
)
def test_requests_get_what_the_grace_period_leaves(
    tmp_path: Path, flags: Flags, answer: Drain | None, expected: Drain
) -> None:
    """The grace period (Kubernetes' default: 30 s) less 3 s for the end and 2 s of reserve."""
    assert drain(tmp_path, flags, answer) == expected


def test_outside_kubernetes_a_grace_period_counts_too(tmp_path: Path) -> None:
    assert drain(tmp_path, {"grace_period": "10"}, environ={}) == Drain(0, 5, 10)


def test_the_first_answer_is_taken() -> None:
    first, second, third = Answers(None), Answers(Drain(2, 3, 9)), Answers(Drain(0, 0))
    assert with_drain(HostConfig(), hook_manager(first, second, third)).drain == Drain(2, 3, 9)
    assert (first.asked, second.asked, third.asked) == ([Drain(0, 30)], [Drain(0, 30)], [])


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, Drain(2, 3, 12)),
        ({"drain_delay": "4"}, Drain(4, 3, 12)),
        ({"drain_timeout": "0"}, Drain(2, 0, 12)),
        ({"grace_period": "8"}, Drain(2, 3, 8)),
        ({"drain_delay": "1", "drain_timeout": "1", "grace_period": "5"}, Drain(1, 1, 5)),
    ],
)
def test_options_override_answers(tmp_path: Path, flags: Flags, expected: Drain) -> None:
    """Options override the answer of a plugin."""
    assert drain(tmp_path, flags, Drain(2, 3, 12)) == expected


@pytest.mark.parametrize(
    ("flags", "answer", "message"),
    [
        (
            {},
            Drain(5, 1, 8),
            "(8 s) is less than a stop may take: drain-delay 5 + drain-timeout 1 + 3 s to end everything = 9 s; "
            "raise the grace period that it answers, or lower drain-delay or drain-timeout",
        ),
        (
            {"grace_period": "20"},
            Drain(5, 20),
            "(20 s) is less than a stop may take: drain-delay 5 + drain-timeout 20 + 3 s to end everything = 28 s; "
            "raise --grace-period, or lower drain-delay or drain-timeout",
        ),
    ],
)
def test_an_answer_that_does_not_fit_names_its_plugin(
    tmp_path: Path, flags: Flags, answer: Drain, message: str
) -> None:
    with pytest.raises(HookError) as raised:
        drain(tmp_path, flags, answer)
    assert str(raised.value) == f"hook plugin under-test: pytriton_choose_drain: grace-period {message}"


@pytest.mark.parametrize("answers", [(), (None,), (Drain(5, 1, None),)])
def test_without_a_part_in_it_no_plugin_is_named(tmp_path: Path, answers: tuple[Drain | None, ...]) -> None:
    """A plugin whose answer does not matter is not named in the error."""
    with pytest.raises(ConfigError, match=r"^grace-period \(8 s\) is less .* raise --grace-period, or lower"):
        drain(tmp_path, {"grace_period": "8"}, *answers)


def test_a_plugin_may_make_room(tmp_path: Path) -> None:
    """An answer with a shorter drain fits into the configured grace period."""
    assert drain(tmp_path, {"grace_period": "8"}, Drain(3, 1)) == Drain(3, 1, 8)


@pytest.mark.parametrize("fields", [{"delay": -1}, {"timeout": "1"}, {"timeout": float("inf")}, {"grace": True}])
def test_a_drain_of_something_else_than_seconds(fields: dict[str, object]) -> None:
    """A value that is not a number of seconds raises ValueError."""
    (name, value) = next(iter(fields.items()))
    with pytest.raises(ValueError, match=f"^Drain: {name} is {value!r}; write a number of seconds from 0 up$"):
        Drain(**{"delay": 0, "timeout": 0, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("8", " returned 8; it must return Drain or None; fix or uninstall it"),
        (
            "Drain(0, -1)",
            " raised ValueError: Drain: timeout is -1; write a number of seconds from 0 up; fix or uninstall it",
        ),
        (
            "Drain(0, 60, 30)",
            ": grace-period (30 s) is less than a stop may take: drain-delay 0 + drain-timeout 60 + 3 s to end "
            "everything = 63 s; raise the grace period that it answers, or lower drain-delay or drain-timeout",
        ),
    ],
)
def test_a_wrong_answer_ends_the_start_in_one_line(tmp_path: Path, answer: str, message: str) -> None:
    source = "from pytriton_plugins import hookimpl\nfrom pytriton_plugins.values import Drain\n\n\n@hookimpl\n"
    source += f"def pytriton_choose_drain():\n    return {answer}\n"
    install(tmp_path, "acme-guard", {"pytriton_plugins.hooks": {"guard": "acme_guard"}}, acme_guard=source)
    ports = ("--http-port=0", "--grpc-port=0", "--metrics-port=0")
    env = {"PYTHONPATH": path_with(tmp_path)}
    line = f"hook plugin guard (acme-guard 1.0): pytriton_choose_drain{message}"
    done = call_host("serve", "--plugin=add-sub", *ports, env=env)
    assert (done.returncode, done.stderr.splitlines()) == (1, [f"pytriton-host: {line}"])
    done = call_host("check", "--plugin=add-sub", *ports, env=env)
    assert f"bad  drain: {line}" in done.stdout.splitlines()
    assert done.returncode == 1
