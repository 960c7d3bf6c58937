"""`pytriton-host config` and `hooks`: each setting with its source, and the implementations of each hook."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Called
from tests.support.sandbox.command import call_host
from tests.support.sandbox.fake_distributions import install, path_with

FILE = """
workers = 3
plugins_dir = "more"
disable = ["request-log"]

[shm]
max = "1GiB"

[models.resnet]
required = false
workers = 2

[models.resnet.settings]
weights = "w.onnx"

[models.resnet.shm]
initial = "32MiB"

[plugins.memory-guard]
share = 0.5

[[environments]]
python = "torch/bin/python"
"""


@pytest.fixture
def settings(called: Called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[object, str]]:
    """Value and source of every setting, by name."""
    (tmp_path / "pytriton-host.toml").write_text(FILE)
    (tmp_path / "more").mkdir()
    monkeypatch.setenv("PYTRITON_HOST_LOG_LEVEL", "debug")
    ran = called("config", "--json", "--http-port", "9000")
    assert ran.code == 0, ran.err
    return {row["setting"]: (row["value"], row["source"]) for row in json.loads(ran.out)["settings"]}


def test_each_value_has_its_source(settings: dict[str, tuple[object, str]], tmp_path: Path) -> None:
    file = tmp_path / "pytriton-host.toml"
    assert settings["http_port"] == (9000, "--http-port")
    assert settings["grpc_port"] == (8001, "default")
    assert settings["log_level"] == ("debug", "PYTRITON_HOST_LOG_LEVEL")
    assert settings["workers"] == (3, f"{file}: workers")
    assert settings["shm.max"] == (1 << 30, f"{file}: shm.max")
    assert settings["plugins_dir"] == (str(tmp_path / "more"), f"{file}: plugins_dir")
    assert settings["disable"] == (["request-log"], f"{file}: disable")


def test_a_secret_is_not_shown(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTRITON_HOST_FORWARD_PREFIX", "only-a-proxy-knows-")
    ran = called("config", "--forward-header=x-user")
    assert "(secret)" in ran.out
    assert "only-a-proxy-knows-" not in ran.out + ran.err


@pytest.mark.parametrize(("option", "value"), [("--shm-lend", True), ("--no-shm-lend", False)])
def test_a_switch_in_either_form(called: Called, option: str, value: bool) -> None:
    ran = called("config", "--json", option)
    assert {"setting": "shm.lend", "value": value, "source": option} in json.loads(ran.out)["settings"]


def test_the_tables_follow(settings: dict[str, tuple[object, str]], tmp_path: Path) -> None:
    file = tmp_path / "pytriton-host.toml"
    assert settings["models.resnet.required"] == (False, f"{file}: models.resnet.required")
    assert settings["models.resnet.workers"] == (2, f"{file}: models.resnet.workers")
    assert settings["models.resnet.settings"] == ({"weights": "w.onnx"}, f"{file}: models.resnet.settings")
    assert settings["models.resnet.shm.initial"] == (32 << 20, f"{file}: models.resnet.shm.initial")
    assert settings["plugins.memory-guard.share"] == (0.5, f"{file}: plugins.memory-guard.share")
    assert settings["environments[0].python"] == (str(tmp_path / "torch/bin/python"), f"{file}: environments")


def test_the_table_for_people(called: Called) -> None:
    ran = called("config")
    assert ran.code == 0
    assert ["http_port", "8000", "default"] in [line.split() for line in ran.out.splitlines()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[models.a]\nworker = 2\n", "unknown key models.a.worker; did you mean workers?"),
        ("[models.a]\nworkers = 0\n", "models.a.workers: invalid number of workers 0: expected 1 to 1024"),
        ("[models]\na = 1\n", "models.a is not a table; write [models.a]"),
        (
            "[models.a.shm]\ninitial = '9GiB'\n",
            "models.a.shm: max (2048MiB) is less than initial (9216MiB); raise max",
        ),
        (
            "[models.a.shm]\ntotal = 1\n",
            "unknown key models.a.shm.total; known keys: initial, max, growth, on_full, wait, trim_after, lend",
        ),
        ("[plugins]\na = 1\n", "plugins.a is not a table; write [plugins.a]"),
        ('[[environments]]\npath = "x"\n', "environments: expected one key; write [[environments]] and python"),
        ("environments = 1\n", "environments is not a list of tables"),
        ("skip_broken_hooks = 2\n", "skip_broken_hooks: invalid value 2: expected true or false"),
        ('require = ["a b"]\n', "invalid requirement 'a b'"),
    ],
)
def test_mistakes_in_the_file_are_one_line(called: Called, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pytriton-host.toml").write_text(text)
    ran = called("config")
    assert ran.code == 2
    assert message in ran.err
    assert len(ran.err.splitlines()) == 1


HOOKS = """
    from pytriton_plugins import hookimpl
    from pytriton_plugins.values import Drain, Ports, ShmPolicy


    @hookimpl
    def pytriton_choose_drain(default):
        return Drain(default.delay, 20, 60)


    @hookimpl
    def pytriton_choose_ports(ports):
        return Ports(18000, 18001, 18002)


    @hookimpl
    def pytriton_choose_shm_policy(default):
        return ShmPolicy(max=1 << 26)


    @hookimpl
    def pytriton_edit_server_options(options):
        return options.having("log-verbose", "1")
"""


def test_a_value_of_a_hook_plugin_is_shown_with_its_name(tmp_path: Path) -> None:
    install(tmp_path, "acme-guard", {"pytriton_plugins.hooks": {"guard": "acme_guard"}}, acme_guard=HOOKS)
    arguments = ("config", "--json", "--models", "--plugin=add-sub", "--grpc-port=9001", "--grace-period=50")
    done = call_host(*arguments, env={"PYTHONPATH": path_with(tmp_path), "KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert (done.returncode, done.stderr) == (0, "")
    rows = {row["setting"]: (row["value"], row["source"]) for row in json.loads(done.stdout)["settings"]}
    guard = "hook plugin guard (acme-guard 1.0)"
    assert rows["http_port"] == (18000, guard)
    assert rows["grpc_port"] == (9001, "--grpc-port")
    assert rows["drain_delay"] == (5.0, "KUBERNETES_SERVICE_HOST")
    assert rows["drain_timeout"] == (20, guard)
    assert rows["grace_period"] == (50.0, "--grace-period")
    assert rows["server_options"] == ([["log-verbose", "1"]], guard)
    assert rows["add_sub 1: shm.max"] == (1 << 26, guard)
    assert rows["add_sub 1: shm.growth"] == (2.0, "default")
    assert rows["add_sub 1: triton_config"] == ({}, "@infer_func")
    assert str(rows["tritonserver"][0]).endswith("/tritonserver")
    assert rows["tritonserver"][1].startswith("hook plugin tritonserver (pytriton-plugins-tritonserver ")


CHANGES_ONE = """
    import attrs
    from pytriton_plugins import hookimpl


    @hookimpl
    def pytriton_choose_ports(ports):
        return attrs.evolve(ports, http=18000)


    @hookimpl
    def pytriton_choose_shm_policy(default):
        return attrs.evolve(default, trim_after=5.0)


    @hookimpl
    def pytriton_edit_server_options(options):
        return options
"""


def test_a_hook_plugin_is_named_for_what_it_changed_only(tmp_path: Path) -> None:
    """The plugin returns a whole value and has changed only parts of it."""
    install(tmp_path, "acme-guard", {"pytriton_plugins.hooks": {"guard": "acme_guard"}}, acme_guard=CHANGES_ONE)
    done = call_host("config", "--json", "--models", "--plugin=add-sub", env={"PYTHONPATH": path_with(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    rows = {row["setting"]: (row["value"], row["source"]) for row in json.loads(done.stdout)["settings"]}
    guard = "hook plugin guard (acme-guard 1.0)"
    assert rows["http_port"] == (18000, guard)
    assert rows["grpc_port"] == (8001, "default")
    assert rows["server_options"] == ([], "default")
    policy = {name: source for name, (_, source) in rows.items() if name.startswith("add_sub 1: shm.")}
    assert {name for name, source in policy.items() if source == guard} == {"add_sub 1: shm.trim_after"}
    assert len(policy) == 7


def test_a_broken_hook_plugin_is_told_and_the_rest_is_shown(tmp_path: Path) -> None:
    install(tmp_path, "acme-guard", {"pytriton_plugins.hooks": {"guard": "acme_guard"}}, acme_guard="import no_such")
    done = call_host("config", env={"PYTHONPATH": path_with(tmp_path)})
    (line,) = done.stderr.splitlines()
    assert line.startswith("pytriton-host: hook plugin guard (acme-guard 1.0): acme_guard needs the module no_such")
    assert "http_port" in done.stdout


def test_hooks_in_calling_order(called: Called) -> None:
    ran = called("hooks", "--json")
    assert ran.code == 0, ran.err
    document = json.loads(ran.out)
    assert document["plugins"][-1] == "built-in"
    (server,) = [hook for hook in document["hooks"] if hook["hook"] == "pytriton_choose_server"]
    assert server["parameters"] == ["candidates", "settings"]
    assert [plugin.split()[0] for plugin in server["plugins"]][-2:] == ["tritonserver", "built-in"]


@pytest.mark.parametrize("command", [("check",), ("hooks",), ("config",), ("list",)])
def test_a_folder_of_plugins_that_is_not_there(
    called: Called, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PYTRITON_HOST_PLUGINS_DIR", "/no/such")
    ran = called(*command)
    assert ran.code == 2
    assert ran.err == "pytriton-host: --plugins-dir /no/such is not a folder; correct it or create one\n"
