"""Models that declare what they call: loaded after it, unloaded with it, and not ready without it, with the reason."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from pytriton_plugins import Context, Tensor
from pytriton_plugins.errors import AttachError, ControlError
from pytriton_plugins.host.control.client import find_host
from pytriton_plugins.script.attach import attach
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import install, path_with
from tests.support.script.calls import call

X, Y = [Tensor("x", np.float32, (-1,))], [Tensor("y", np.float32, (-1,))]
HEAD = """
import os, time
from pathlib import Path
import numpy as np
from pytriton_plugins import Context, Tensor, infer_func
X, Y = [Tensor("x", np.float32, (-1,))], [Tensor("y", np.float32, (-1,))]
"""
MODEL = """
@infer_func(inputs=X, outputs=Y, name={name!r}, calls={calls!r})
def model_{number}(x, ctx: Context):
    return x
"""
EMBED = """
hold = Path({hold!r})
while hold.exists():
    time.sleep(0.01)

@infer_func(inputs=X, outputs=Y, timeout={timeout})
def embed(x):
    return x
"""
HOOK = """
from pytriton_plugins import hookimpl
from pytriton_plugins.values import GiveUp

@hookimpl
def pytriton_choose_restart(worker, exit, history):
    return GiveUp("its worker has ended") if worker.model == "brittle" else None
"""
UNLOADED = "calls embed, which is not served: it was unloaded"
LIMIT = 30.0


def models(*named: tuple[str, list[Any]]) -> str:
    """The source of a module with models of these names and calls."""
    return HEAD + "".join(MODEL.format(name=name, calls=calls, number=n) for n, (name, calls) in enumerate(named))


@attrs.define
class Site:
    """A daemon in ``folder``, and commands for it."""

    host: RunningHost
    folder: Path

    def ask(self, command: str, model: str = "", **more: Any) -> Any:
        """The answer to a command; raises ControlError."""
        connection = find_host(str(self.folder), None)
        try:
            return connection.ask(
                {"command": command, "model": model, "version": None, "timeout": LIMIT, **more}, LIMIT
            )
        finally:
            connection.close()

    def done(self, command: str, model: str) -> list[str]:
        lines: list[str] = self.ask(command, model)["done"]
        return lines

    def model(self, name: str) -> dict[str, Any]:
        return next(each for each in self.ask("status")["models"] if each["model"] == name)

    def reason(self, name: str) -> str:
        return str(self.model(name)["reason"])

    def statuses(self, *names: str) -> list[int]:
        """Those of the whole server and of these models, by Triton's own API."""
        return [self.host.status(f"/v2/{each}/ready") for each in ("health", *(f"models/{name}" for name in names))]

    def wait_for(self, status: int, *names: str) -> None:
        wanted = [status] * (len(names) + 1)
        wait_until(lambda: self.statuses(*names) == wanted, LIMIT, f"{names} answer {status}")


def pids(site: Site, name: str) -> list[int]:
    """The processes of the model's connected workers."""
    found: list[int] = site.model(name)["workers"]["pids"]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("calls")


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Site]:
    """Two callers, one above the other, whose module is served before the one with what they call."""
    (folder / "embed.py").write_text(HEAD + EMBED.format(hold=str(folder / "hold"), timeout=9))
    (folder / "brittle.py").write_text(models(("brittle", []), ("holder", ["brittle"])))
    install(folder, "acme-guard", {"pytriton_plugins.hooks": {"guard": "acme_guard"}}, acme_guard=HOOK)
    env = {"PYTHONPATH": path_with(folder), "GATE": str(folder / "gate")}
    targets = (MODELS / "callers.py", folder / "embed.py", folder / "brittle.py")
    with run_host(*targets, options=[f"--run-dir={folder / 'run'}", "--allow=attach"], env=env) as host:
        yield Site(host, folder / "run")


@pytest.fixture
def whole(site: Site) -> Iterator[Site]:
    """The same, with everything served before and after the test."""
    site.wait_for(200, "top", "middle", "embed")
    yield site
    site.wait_for(200, "top", "middle", "embed")


def test_callees_are_loaded_first(site: Site) -> None:
    """Their plugin comes last, and its import is not awaited by others that do not call it."""
    served = re.findall(r"model (\w+) version 1: serving", site.host.log)
    assert [name for name in served if name in ("top", "middle", "embed")] == ["embed", "middle", "top"]
    assert site.model("top")["calls"] == [{"model": "middle", "version": None}, {"model": "embed", "version": 1}]
    assert call(site.host, "top", 1.0) == [1.0]


def test_status_shows_the_calls(site: Site) -> None:
    shown = call_host("status", f"--run-dir={site.folder}").stdout.splitlines()
    assert {"top 1 calls middle, embed 1", "middle 1 calls embed", "holder 1 calls brittle"} <= set(shown)


def test_an_unloaded_callee(whole: Site) -> None:
    wait_until(lambda: len(pids(whole, "middle")) == 2, LIMIT, "both workers are connected")
    workers = pids(whole, "middle")
    assert whole.done("unload", "embed") == [
        "model embed version 1: unloaded",
        "warning: model middle version 1 calls embed, and is not served until embed is loaded again",
        "warning: model top version 1 calls embed, and is not served until embed is loaded again",
    ]
    whole.wait_for(400, "top", "middle", "embed")
    assert whole.reason("middle") == UNLOADED
    assert whole.reason("top") == f"calls middle, which is not served: {UNLOADED}"
    with pytest.raises(ControlError, match=f"^model top version 1 calls middle, .*: {UNLOADED}; load that model$"):
        whole.ask("load", "top")
    wait_until(lambda: f"model middle: {UNLOADED}" in whole.host.log, LIMIT, "the log has the reason")
    assert whole.done("load", "embed") == ["model embed version 1: serving"]
    whole.wait_for(200, "top", "middle")
    assert pids(whole, "middle") == workers


def test_what_a_caller_runs_may_finish(whole: Site, folder: Path) -> None:
    (folder / "gate").touch()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(call, whole.host, "middle", -1.0)
        wait_until(lambda: whole.model("middle")["requests"]["in_flight"] == 1, LIMIT, "a request runs")
        whole.ask("unload", "embed")
        wait_until(lambda: whole.host.status("/v2/models/middle/ready") == 400, LIMIT, "it gets no other")
        whole.ask("load", "embed")
        wait_until(lambda: whole.reason("middle") == "it is being loaded", LIMIT, "it is loaded after that")
        assert not running.done()
        (folder / "gate").unlink()
        assert running.result() == [-1.0]


def test_a_caller_is_loaded_only_after_its_callee(whole: Site) -> None:
    whole.ask("unload", "embed")
    whole.ask("unload", "middle")
    expected = f"^model middle version 1: {UNLOADED}; load that model first$"
    with pytest.raises(ControlError, match=expected):
        whole.ask("load", "middle")
    assert whole.reason("top") == "calls middle, which is not served: it was unloaded"
    whole.ask("load", "embed")
    whole.ask("load", "middle")


def test_a_callee_without_a_live_worker(whole: Site, folder: Path) -> None:
    """Its callers stay loaded: their requests wait for the next worker."""
    (folder / "hold").touch()
    wait_until(lambda: pids(whole, "embed"), LIMIT, "its worker is connected")
    os.kill(pids(whole, "embed")[0], signal.SIGKILL)
    wait_until(lambda: whole.host.status("/v2/health/ready") == 400, LIMIT, "not ready")
    wait_until(lambda: "it has no live worker" in whole.reason("middle"), LIMIT, "the caller names the reason")
    assert whole.reason("middle").startswith("calls embed, which is not served: it has no live worker")
    assert call(whole.host, "middle", 2.0) == [2.0]
    (folder / "hold").unlink()


def test_a_callee_that_is_reloaded_with_another_declaration(whole: Site, folder: Path) -> None:
    before = whole.host.log.count("not ready: model middle: calls")
    source = folder / "embed.py"
    source.write_text(source.read_text().replace("timeout=9", "timeout=8"))
    assert whole.done("reload", "embed") == ["model embed version 1: serving"]
    whole.wait_for(200, "top", "middle")
    assert whole.host.log.count("not ready: model middle: calls") == before


def test_a_callee_that_is_given_up_and_loaded_again(whole: Site) -> None:
    os.kill(pids(whole, "brittle")[0], signal.SIGKILL)
    whole.wait_for(400, "holder")
    assert whole.reason("holder") == "calls brittle, which is not served: its worker has ended"
    whole.ask("load", "brittle")
    whole.wait_for(200, "holder")


def test_a_return_that_triton_refuses(whole: Site) -> None:
    """Readiness and `status` have the reason, and the model can be unloaded and loaded again."""
    (folder,) = whole.folder.glob("*/repository/middle")
    whole.ask("unload", "embed")
    whole.wait_for(400, "middle")
    broken = folder / "libtriton_pytriton.so"  # Triton looks there first
    broken.touch()
    whole.ask("load", "embed")
    wait_until(lambda: "libtriton_pytriton.so" in whole.reason("middle"), LIMIT, "the reason is Triton's")
    broken.unlink()
    assert whole.done("unload", "middle")[0] == "model middle version 1: unloaded"
    assert whole.done("load", "middle") == ["model middle version 1: serving"]


def test_a_cycle_that_is_loaded_while_others_serve(whole: Site, folder: Path) -> None:
    (folder / "cycle.py").write_text(models(("b", ["a"]), ("a", ["c"]), ("c", [("b", 1)])))
    chain = r"the declared calls form a cycle: a → c → b → a; remove one of them from calls=\[…\]"
    with pytest.raises(ControlError, match=f"^plugin .*cycle.py: {chain}$"):
        whole.ask("load", str(folder / "cycle.py"))
    with pytest.raises(ControlError, match=f"^plugin .*cycle.py: {chain}$"):
        whole.ask("load", target=str(folder / "cycle.py"))


def test_the_models_of_one_file_are_loaded_in_the_order_of_their_calls(whole: Site, folder: Path) -> None:
    (folder / "pair.py").write_text(models(("above", ["below"]), ("below", [])))
    assert whole.done("load", str(folder / "pair.py")) == [
        "model below version 1: serving",
        "model above version 1: serving",
    ]
    whole.ask("unload", "above")
    whole.ask("unload", "below")


def test_attached_callables(whole: Site) -> None:
    def caller(x: Any, ctx: Context) -> Any:
        return x

    with pytest.raises(
        AttachError, match=r"^model caller version 1 cannot be attached: calls later, .*: there is no model"
    ):
        attach(whole.folder, caller, inputs=X, outputs=Y, calls=["later"])
    callee = attach(whole.folder, lambda x: x, name="later", inputs=X, outputs=Y)
    handle = attach(whole.folder, caller, inputs=X, outputs=Y, calls=["later"])
    callee.remove()
    whole.wait_for(400, "caller")
    assert whole.reason("caller") == "calls later, which is not served: there is no model of this name"
    with pytest.raises(AttachError, match=r"the declared calls form a cycle: caller → later → caller; remove one"):
        attach(whole.folder, caller, name="later", inputs=X, outputs=Y, calls=["caller"])
    callee = attach(whole.folder, lambda x: x, name="later", inputs=X, outputs=Y)
    whole.wait_for(200, "caller")
    handle.remove()
    callee.remove()


def test_a_tritonserver_that_ends(whole: Site) -> None:
    os.kill(whole.ask("status")["tritonserver"]["pid"], signal.SIGKILL)
    wait_until(lambda: whole.ask("status")["tritonserver"]["restarts"] == 1, LIMIT, "another one runs")
    whole.wait_for(200, "top", "middle", "embed")
    assert call(whole.host, "top", 3.0) == [3.0]


STATES = {
    "good": "ready",
    "left": "the declared calls form a cycle: left → right → left; remove one of them from calls=[…]",
    "right": "the declared calls form a cycle: left → right → left; remove one of them from calls=[…]",
    "over": "calls left, which is not served: the declared calls form a cycle: left → right → left; "
    "remove one of them from calls=[…]",
    "lost": "calls late, which is not served: there is no model of this name",
    "typo": "calls goood, which is not served: there is no model of this name; did you mean good?",
    "older": "calls good version 2, which is not served: it has no version 2, only 1",
    "shut": "calls closed, which is not served: it is disabled (enabled = false)",
    "above": "calls lost, which is not served: calls late, which is not served: there is no model of this name",
}


def test_a_start_with_callees_that_do_not_come(tmp_path: Path) -> None:
    """It is settled all the same, every row has its reason, and a callee that comes later is followed."""
    sources = {
        "one": models(("left", ["right"]), ("over", ["left"]), ("lost", ["late"]), ("above", ["lost"]), ("good", [])),
        "two": models(("right", ["left"]), ("typo", ["goood"]), ("older", [("good", 2)]), ("shut", ["closed"])),
        "three": models(("closed", [])),
        "late": models(("late", [])),
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    (tmp_path / "pytriton-host.toml").write_text("[models.closed]\nenabled = false\n")
    optional = [f"--optional={name}" for name in STATES if name != "above"]
    options = [f"--run-dir={tmp_path / 'run'}", f"--config={tmp_path / 'pytriton-host.toml'}", *optional]
    targets = [tmp_path / f"{name}.py" for name in ("one", "two", "three")]
    with run_host(*targets, options=options, ready=False) as host:
        host.wait_settled()
        site = Site(host, tmp_path / "run")
        rows = [re.split(r"  +", line) for line in host.output.splitlines() if ".py  " in line]
        assert {row[0]: row[4] for row in rows if len(row) == 5} == STATES
        assert f"not ready: model above: {STATES['above']}" in host.output.splitlines()
        assert host.log.count("model left: the declared calls form a cycle: left → right → left") == 1
        assert "model over: not served: it calls left" in host.log
        assert site.statuses("good", "above") == [400, 200, 400]
        site.ask("load", str(tmp_path / "late.py"))
        site.wait_for(200, "lost", "above")
