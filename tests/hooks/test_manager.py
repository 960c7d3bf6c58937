"""Hook plugins from real entry points, in sorted order, and every way in which one can be broken."""

from __future__ import annotations

import functools
import logging
import sys
import types
from pathlib import Path

import pytest

from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.config.resolver import policy_of
from pytriton_plugins.config.tables import ModelSettings, Tables
from pytriton_plugins.discovery.entry_points import HOOKS_GROUP
from pytriton_plugins.errors import HookError
from pytriton_plugins.hooks import hookimpl
from pytriton_plugins.hooks.calling import Answer
from pytriton_plugins.hooks.manager import BUILT_IN, HookManager
from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.values import MIB, Drain, HostStatus, Ports, ShmPolicy, Verdict, WorkerInfo
from tests.support.sandbox.fake_distributions import install

PORTS = Ports(8000, 8001, 8002)
MODEL = ModelDeclaration("resnet", 1, "function", "resnet", (), ())


class Moves:
    """Moves the ports by ``step`` if one is in use."""

    def __init__(self, step: int) -> None:
        self.step = step

    @hookimpl
    def pytriton_choose_ports(self, ports: Ports, attempt: int) -> Ports | None:
        if attempt == 0:
            return None
        return Ports(*(port + self.step * attempt for port in (ports.http, ports.grpc, ports.metrics)))


class Objects:
    @hookimpl
    def pytriton_check_readiness(self, host: HostStatus) -> Verdict:
        return Verdict(False, f"state is {host.state}")


class Broken:
    @hookimpl
    def pytriton_choose_shm_policy(self, model: ModelDeclaration) -> ShmPolicy:
        raise KeyError(model.name)


def manager_with(*plugins: object) -> HookManager:
    manager = HookManager()
    for number, plugin in enumerate(plugins):
        manager.register(plugin, f"plugin-{number}")
    return manager


def test_without_plugins_the_built_in_answers() -> None:
    manager = HookManager()
    assert manager.plugins() == [BUILT_IN]
    assert manager.choose_server(()) is None
    assert manager.choose_server([Path("/a"), Path("/b")]) == Answer(Path("/a"), BUILT_IN)
    assert manager.choose_ports(PORTS) == Answer(PORTS, BUILT_IN)
    assert manager.choose_ports(PORTS, 1, (8000,)) is None
    assert manager.choose_drain(Drain(5, 1)) == Answer(Drain(5, 1, None), BUILT_IN)
    assert manager.choose_shm_policy(MODEL, ShmPolicy()) == Answer(ShmPolicy(16 * MIB, 2048 * MIB), BUILT_IN)
    assert manager.check_readiness(HostStatus()) == []


def test_a_plugin_is_asked_before_the_built_in() -> None:
    manager = manager_with(Moves(10))
    assert manager.choose_ports(PORTS) == Answer(PORTS, BUILT_IN)
    assert manager.choose_ports(PORTS, 2, (8000,)) == Answer(Ports(8020, 8021, 8022), "plugin-0")


def test_trylast_of_a_plugin_still_comes_before_the_built_in() -> None:
    class Last:
        @hookimpl(trylast=True)
        def pytriton_choose_server(self) -> Path:
            return Path("/last")

    assert manager_with(Last()).choose_server([Path("/found")]) == Answer(Path("/last"), "plugin-0")


def test_readiness_gathers_each_verdict() -> None:
    verdicts = manager_with(Objects()).check_readiness(HostStatus(state="serving"))
    assert verdicts == [("plugin-0", Verdict(False, "state is serving"))]


def test_a_failing_plugin_stops_the_start() -> None:
    expected = "hook plugin plugin-0: pytriton_choose_shm_policy raised KeyError: 'resnet'; fix or uninstall it"
    with pytest.raises(HookError, match=expected):
        manager_with(Broken()).choose_shm_policy(MODEL, ShmPolicy())


def test_a_failing_plugin_is_logged_and_counted_while_serving(caplog: pytest.LogCaptureFixture) -> None:
    manager = manager_with(Broken())
    manager.now_serving()
    with caplog.at_level(logging.ERROR, "pytriton.hooks"):
        assert manager.choose_shm_policy(MODEL, ShmPolicy()) == Answer(ShmPolicy(), BUILT_IN)
    assert manager.failures == {"plugin-0": 1}
    assert "plugin-0" in caplog.text


def test_a_notification_has_no_next_answer(caplog: pytest.LogCaptureFixture) -> None:
    class Raises:
        @hookimpl
        def pytriton_on_host_start(self) -> None:
            raise KeyError("x")

    manager = manager_with(Raises())
    with caplog.at_level(logging.ERROR, "pytriton.hooks"):
        manager.on_host_start(HostStatus())
    assert caplog.messages == ["hook plugin plugin-0: pytriton_on_host_start raised KeyError: 'x'"]


def test_installed_plugins_are_asked_in_sorted_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "acme_hooks", raising=False)  # of another test's folder
    source = """
        from pathlib import Path
        from pytriton_plugins import hookimpl

        class Plugin:
            @hookimpl
            def pytriton_choose_server(self, candidates):
                return Path("/object") if not candidates else None

        plugin = Plugin()

        @hookimpl
        def pytriton_choose_server(candidates):
            return Path("/module")
    """
    install(tmp_path, "zeta", {HOOKS_GROUP: {"b-module": "zeta_hooks"}}, zeta_hooks=source)
    install(tmp_path, "acme", {HOOKS_GROUP: {"c-object": "acme_hooks:plugin"}}, acme_hooks=source, version="2.1")
    install(tmp_path, "beta", {HOOKS_GROUP: {"a-object": "beta_hooks:plugin"}}, beta_hooks=source)
    monkeypatch.syspath_prepend(str(tmp_path))
    manager = HookManager.installed()
    ours = ["a-object (beta 1.0)", "b-module (zeta 1.0)", "c-object (acme 2.1)", BUILT_IN]
    # Other hook plugins may be installed beside the tests: the bundled tritonserver is one.
    assert [plugin for plugin in manager.plugins() if plugin in ours] == ours
    assert manager.choose_server(()) == Answer(Path("/object"), "a-object (beta 1.0)")
    assert manager.choose_server([Path("/x")]) == Answer(Path("/module"), "b-module (zeta 1.0)")


def test_two_distributions_may_use_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
        from pytriton_plugins import hookimpl

        @hookimpl
        def pytriton_check_readiness():
            return None
    """
    install(tmp_path, "one", {HOOKS_GROUP: {"guard": "one_guard"}}, one_guard=source)
    install(tmp_path, "two", {HOOKS_GROUP: {"guard": "two_guard"}}, two_guard=source)
    monkeypatch.syspath_prepend(str(tmp_path))
    ours = ["guard (one 1.0)", "guard (two 1.0)", BUILT_IN]
    assert [plugin for plugin in HookManager.installed().plugins() if plugin in ours] == ours


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import no_such_thing", "needs the module no_such_thing"),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero (line 1)"),
        ("", "has no hooks"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
    ],
)
def test_a_broken_plugin_is_named_with_its_distribution_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, expected: str
) -> None:
    install(tmp_path, "acme-hooks", {HOOKS_GROUP: {"guard": "broken_hooks"}}, broken_hooks=source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "broken_hooks", raising=False)
    with pytest.raises(HookError) as caught:
        HookManager.installed()
    assert str(caught.value).startswith("hook plugin guard (acme-hooks 1.0): ")
    assert expected in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_the_same_object_under_two_names_is_refused() -> None:
    plugin = Objects()
    with pytest.raises(HookError, match="hook plugins plugin-0 and plugin-1 are the same object"):
        manager_with(plugin, plugin)


def test_equal_objects_are_two_plugins() -> None:
    class Equal(Objects):
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Equal)

        def __hash__(self) -> int:
            return 1

    with pytest.raises(HookError, match="already registered"):
        manager_with(Equal(), Equal())


def unmarked() -> object:
    module = types.ModuleType("unmarked")
    vars(module)["pytriton_choose_server"] = lambda candidates: None
    return module


class Partial(Objects):
    pytriton_choose_server = functools.partial(print)


class Wrapper:
    @hookimpl(wrapper=True)
    def pytriton_choose_server(self) -> object:
        return (yield)


class Misspelt:
    @hookimpl
    def pytriton_choose_port(self) -> None: ...


class MisspeltArgument:
    @hookimpl
    def pytriton_choose_ports(self, port: Ports) -> None: ...


class UnknownArgument:
    @hookimpl
    def pytriton_choose_ports(self, colour: str) -> None: ...


class TakesEverything:
    @hookimpl
    def pytriton_choose_ports(self, **everything: object) -> None: ...


class KeywordOnly:
    @hookimpl
    def pytriton_choose_ports(self, *, ports: Ports) -> None: ...


class Async:
    @hookimpl
    async def pytriton_choose_ports(self) -> None: ...


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        (unmarked(), "pytriton_choose_server is not marked; write @hookimpl above it"),
        (Partial(), "pytriton_choose_server is a functools.partial"),
        (Wrapper(), "is a wrapper"),
        (Misspelt(), "unknown hook pytriton_choose_port; did you mean pytriton_choose_ports?"),
        (MisspeltArgument(), "has the unknown parameter port; did you mean ports?"),
        (UnknownArgument(), "has the unknown parameter colour; the parameters are ports, attempt, taken"),
        (TakesEverything(), "takes **everything"),
        (KeywordOnly(), "never passed"),
        (Async(), "is async, which is not supported"),
        (Objects, "Objects is a class; write an instance"),
        (object(), "has no hooks"),
    ],
)
def test_mistakes_that_pluggy_ignores_are_refused(plugin: object, expected: str) -> None:
    with pytest.raises(HookError) as caught:
        manager_with(plugin)
    assert expected in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_another_name_may_implement_a_hook() -> None:
    class Named:
        @hookimpl(specname="pytriton_choose_server")
        def prefer_newest(self) -> Path:
            return Path("/named")

    assert manager_with(Named()).choose_server(()) == Answer(Path("/named"), "plugin-0")


def test_a_parameter_with_a_default_is_filled_too_and_may_be_unknown() -> None:
    """So a plugin can support versions of the framework without that parameter."""

    class Careful:
        @hookimpl
        def pytriton_choose_ports(self, ports: Ports, attempt: int = -1, colour: str = "none") -> Ports | None:
            return Ports(attempt, attempt, attempt) if colour == "none" else None

    assert manager_with(Careful()).choose_ports(PORTS, 3, (8000,)) == Answer(Ports(3, 3, 3), "plugin-0")


def test_a_variable_that_is_none_is_taken_away() -> None:

    class Edits:
        @hookimpl
        def pytriton_edit_worker_env(self, env: dict[str, str]) -> dict[str, object]:
            return {**env, "HOME": None, "DEVICE": 3}

    worker = WorkerInfo(1, 17, "acme", None, None)
    edited = manager_with(Edits()).edit_worker_env({"HOME": "/root", "PATH": "/bin"}, "acme", None, worker)
    assert edited == {"PATH": "/bin", "DEVICE": "3"}


def test_a_policy_that_does_not_go_with_what_is_configured() -> None:

    class Small:
        @hookimpl
        def pytriton_choose_shm_policy(self) -> ShmPolicy:
            return ShmPolicy(initial=MIB, max=2 * MIB)

    config = HostConfig(shm_initial=4 * MIB, sources={"shm_initial": "--shm-initial"})
    with pytest.raises(HookError) as raised:
        policy_of(config, manager_with(Small()), MODEL)
    assert str(raised.value) == (
        "hook plugin plugin-0: its policy for model resnet does not go with what the configuration sets "
        "(ShmPolicy: initial is 4194304 and max 2097152 bytes; write 0 < initial <= max); change either"
    )


def test_the_configuration_may_say_all_of_a_policy() -> None:
    """The model's table overrides the settings of all models; these override the hook plugin's answer."""

    class Greedy:
        @hookimpl
        def pytriton_choose_shm_policy(self, default: ShmPolicy) -> ShmPolicy:
            assert default == ShmPolicy(growth=3.0, on_full="wait", wait=0.5, trim_after=7.0)
            return ShmPolicy(growth=9.0, on_full="reject", wait=3.0, trim_after=9.0, lend=False)

    table = ModelSettings(shm_wait=0.5, shm_trim_after=7.0)
    config = HostConfig(
        shm_growth=3.0,
        shm_on_full="wait",
        shm_wait=2.0,
        sources={"shm_growth": "--shm-growth", "shm_wait": "--shm-wait"},
        tables=Tables({"resnet": table}),
    )
    chosen = policy_of(config, manager_with(Greedy()), MODEL)
    assert chosen.value == ShmPolicy(growth=3.0, on_full="reject", wait=0.5, trim_after=7.0, lend=False)
    assert chosen.plugin == "plugin-0"
