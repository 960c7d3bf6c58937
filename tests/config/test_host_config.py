"""Options, variables, the file and defaults: their order, refused values, and the messages."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from pytriton_plugins.config.host_config import HostConfig
from pytriton_plugins.config.loading import load_config, unknown_variables
from pytriton_plugins.config.readers import MIB
from pytriton_plugins.config.settings import SETTINGS
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.values import Drain

Flags = dict[str, object]


def load(
    directory: Path, flags: Flags | None = None, environ: dict[str, str] | None = None, file: str | None = None
) -> HostConfig:
    if file is not None:
        (directory / "pytriton-host.toml").write_text(file)
    return load_config((), flags or {}, environ or {}, directory)


def test_defaults(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert config == HostConfig()
    assert (config.address, config.http_port, config.grpc_port, config.metrics_port) == ("127.0.0.1", 8000, 8001, 8002)
    assert config.shm_initial == 16 * MIB
    assert config.fixed == frozenset()


def test_flag_over_variable_over_file_over_default(tmp_path: Path) -> None:
    file = "http_port = 1003\ngrpc_port = 1004\nlog_level = 'debug'\n"
    environ = {"PYTRITON_HOST_HTTP_PORT": "1002", "PYTRITON_HOST_LOG_LEVEL": "WARNING"}
    config = load(tmp_path, {"log_level": "error"}, environ, file)
    assert (config.log_level, config.http_port, config.grpc_port, config.metrics_port) == ("error", 1002, 1004, 8002)
    assert config.fixed == {"log_level", "http_port", "grpc_port"}


def test_every_setting_from_a_variable(tmp_path: Path) -> None:
    texts = {
        "address": ("0.0.0.0", "0.0.0.0"),
        "http_port": ("0", 0),
        "grpc_port": ("9001", 9001),
        "metrics_port": ("9002", 9002),
        "tritonserver": ("bin/ts", tmp_path / "bin/ts"),
        "server_options": ("log-verbose=1, --exit-on-error=", (("log-verbose", "1"), ("exit-on-error", ""))),
        "optional": ("a, b,a", ("a", "b")),
        "workers": ("3", 3),
        "shm_initial": ("1.5MiB", 3 * MIB // 2),
        "shm_max": ("1GB", 10**9),
        "shm_total": ("3GiB", 3 << 30),
        "shm_growth": ("1.5", 1.5),
        "shm_on_full": ("Wait", "wait"),
        "shm_wait": ("500ms", 0.5),
        "shm_trim_after": ("2m", 120.0),
        "shm_lend": ("false", False),
        "start_parallelism": ("3", 3),
        "import_timeout": ("500ms", 0.5),
        "load_timeout": ("2m", 120.0),
        "drain_delay": ("2s", 2.0),
        "drain_timeout": ("0", 0.0),
        "grace_period": ("1m", 60.0),
        "allow": ("trace,shared-memory", ("trace", "shared-memory")),
        "forward_headers": ("X-Request-Id, trace_id.v1,x-request-id", ("x-request-id", "trace_id.v1")),
        "forward_prefix": ("Proven_0123456789-", "proven_0123456789-"),
        "run_dir": ("/run/x", Path("/run/x")),
        "log_level": ("debug", "debug"),
        "log_format": ("JSON", "json"),
        "core_dumps": ("yes", True),
        "strict_security": ("on", True),
        "plugins": ("resnet,acme/bert", ("resnet", "acme/bert")),
        "disable": ("guard", ("guard",)),
        "require": ("acme-resnet>=1.2, numpy", ("acme-resnet>=1.2", "numpy")),
        "plugins_dir": ("more", tmp_path / "more"),
        "model_repositories": ("onnx,/srv/models", (tmp_path / "onnx", Path("/srv/models"))),
        "skip_broken_hooks": ("yes", True),
        "reload": ("1", True),
    }
    assert set(texts) == {setting.name for setting in SETTINGS}
    config = load(tmp_path, environ={setting.variable: texts[setting.name][0] for setting in SETTINGS})
    assert {name: getattr(config, name) for name in texts} == {name: value for name, (_, value) in texts.items()}


def test_every_setting_of_the_config_is_in_the_table() -> None:
    others = {"targets", "sources", "tables", "owned", "only_targets", "import_path"}
    assert {field.name for field in attrs.fields(HostConfig)} == {s.name for s in SETTINGS} | others


def test_a_file_with_tables_and_lists(tmp_path: Path) -> None:
    file = """
        optional = ["resnet"]
        tritonserver = "bin/tritonserver"
        import_timeout = 2.5
        [shm]
        initial = "32MiB"
        max = 67108864
        [server_options]
        log-verbose = 1
        strict-readiness = true
        load-model = ["a", "b"]
    """
    config = load(tmp_path, file=file)
    assert (config.shm_initial, config.shm_max, config.import_timeout) == (32 * MIB, 64 * MIB, 2.5)
    assert config.tritonserver == tmp_path / "bin/tritonserver"
    assert config.server_options == (
        ("log-verbose", "1"),
        ("strict-readiness", "true"),
        ("load-model", "a"),
        ("load-model", "b"),
    )


def test_the_file_is_looked_for_in_order(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.pytriton-host]\nworkers = 2\n[project]\nname = 'x'\n")
    assert load(tmp_path).workers == 2
    assert load(tmp_path, file="workers = 3").workers == 3
    (tmp_path / "other.toml").write_text("workers = 4")
    assert load(tmp_path, environ={"PYTRITON_HOST_CONFIG": "other.toml"}).workers == 4
    assert load(tmp_path, {"config": "pyproject.toml"}, {"PYTRITON_HOST_CONFIG": "other.toml"}).workers == 2


def test_a_pyproject_without_our_table_is_no_file_of_ours(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert load(tmp_path) == HostConfig()


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("http_prt = 1", "unknown key http_prt; did you mean http_port?"),
        ("http-port = 1", "unknown key http-port; write http_port"),
        ("shm_max = '1GiB'", r"unknown key shm_max; write max under \[shm\]"),
        ("zzz = 1", "unknown key zzz; known keys: address"),
        ("[shm]\nmaximum = 1", r"unknown key shm.maximum; did you mean shm.max\?"),
        ("shm = 3", r"shm is not a table; write \[shm\]"),
        ('plugins = "acme"', r'plugins is not a list; write plugins = \["acme"\], or tables \[plugins\.NAME\]'),
        ("http_port = true", "http_port: invalid port True: expected 0 to 65535"),
        ("http_port = -1", "http_port: invalid port -1: expected 0 to 65535"),
        ("log_level = 1", "log_level: invalid value 1: expected text in quotes"),
        ("optional = 'a'", "optional: invalid value 'a': expected a list in brackets"),
        ("workers = 0", "workers: invalid number of workers 0: expected 1 to 1024"),
        ("http_port = ", "invalid TOML"),
    ],
)
def test_a_mistake_in_the_file_names_file_key_and_remedy(tmp_path: Path, file: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=rf"pytriton-host\.toml.*{expected}") as caught:
        load(tmp_path, file=file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("http_port", "70000", "--http-port: invalid port '70000': expected 0 to 65535"),
        ("http_port", "٣", "--http-port: invalid port '٣': expected 0 to 65535"),
        ("address", "", "--address: invalid address '': expected a host name or an IP address"),
        (
            "shm_initial",
            "16 bananas",
            "--shm-initial: invalid size '16 bananas': expected a number of bytes",
        ),
        ("shm_growth", "0.5", "--shm-growth: invalid growth '0.5': expected a number from 1 to 100"),
        ("shm_on_full", "panic", "--shm-on-full: invalid action 'panic': expected one of reject, wait"),
        ("shm_initial", "12", "--shm-initial: invalid size '12': expected at least one page (4KiB)"),
        (
            "start_parallelism",
            "0",
            "--start-parallelism: invalid number of starts '0': expected 1 to 1024",
        ),
        ("import_timeout", "-1", "--import-timeout: invalid duration '-1': expected seconds such as 20, or 500ms, 2m"),
        (
            "import_timeout",
            "nan",
            "--import-timeout: invalid duration 'nan': expected seconds such as 20, or 500ms, 2m",
        ),
        ("log_level", "loud", "--log-level: invalid log level 'loud': expected one of debug, info, warning, error"),
        ("allow", ("inference",), "--allow: invalid category 'inference': expected one of shared-memory"),
        ("server_options", ("verbose",), "--server-option: invalid option 'verbose': expected NAME=VALUE"),
        ("tritonserver", "", "--tritonserver: the path is empty"),
        ("run_dir", "~nobody-here/x", "--run-dir: ~nobody-here/x: no user with that home directory; write the whole"),
        (
            "config",
            "~nobody-here/x.toml",
            "configuration file {folder}/~nobody-here/x.toml cannot be read: No such file",
        ),
        (
            "forward_prefix",
            "too-short-",
            "--forward-prefix: invalid prefix: expected 16 to 64 letters, digits, - and _",
        ),
        (
            "forward_headers",
            ("x user",),
            "--forward-header: invalid header name 'x user': expected letters, digits, -, _ and ., not starting with",
        ),
        ("forward_prefix", "with space and more", "--forward-prefix: invalid prefix: expected 16 to 64 letters"),
    ],
)
def test_a_mistake_in_a_flag_names_flag_and_remedy(tmp_path: Path, name: str, value: object, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {name: value})
    assert str(caught.value).startswith(expected.format(folder=tmp_path))


def test_a_mistake_in_a_variable_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^PYTRITON_HOST_WORKERS: invalid number of workers 'many'"):
        load(tmp_path, environ={"PYTRITON_HOST_WORKERS": "many"})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing.toml cannot be read: No such file or directory; choose another"):
        load(tmp_path, {"config": "nothing.toml"})


def test_settings_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"8001 \(gRPC\).* must differ"):
        load(tmp_path, {"http_port": "8001"})
    with pytest.raises(ConfigError, match=r"shm-total \(8MiB\) is less than shm-initial \(16MiB\); raise --shm-total"):
        load(tmp_path, {"shm_total": "8MiB"})
    with pytest.raises(ConfigError, match=r"shm-max \(8MiB\) is less than shm-initial \(16MiB\)"):
        load(tmp_path, {"shm_max": "8MiB"})
    with pytest.raises(ConfigError, match="forward_prefix: no header is forwarded; add --forward-header NAME"):
        load(tmp_path, {"forward_prefix": "proven-0123456789-"})
    assert load(tmp_path, {"http_port": "0", "grpc_port": "0", "metrics_port": "0"}).http_port == 0


def test_unknown_variables_are_named_and_those_of_kubernetes_are_not() -> None:
    environ = {
        "PYTRITON_HOST_HTTPPORT": "1",
        "PYTRITON_HOST_SERVICE_HOST": "10.0.0.1",
        "PYTRITON_HOST_SERVICE_PORT_HTTP": "8000",
        "PYTRITON_HOST_PORT": "tcp://10.0.0.1:8000",
        "PYTRITON_HOST_PORT_8000_TCP_ADDR": "10.0.0.1",
        "PYTRITON_HOST_URL": "localhost:1",
        "PYTRITON_HOST_WORKERS": "1",
        "PATH": "/bin",
    }
    assert unknown_variables(environ) == [
        "unknown variable PYTRITON_HOST_HTTPPORT is ignored; did you mean PYTRITON_HOST_HTTP_PORT?"
    ]


def test_kubernetes_gets_a_drain_delay(tmp_path: Path) -> None:
    inside = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert load(tmp_path).drain_delay == 0
    config = load(tmp_path, environ=inside)
    assert (config.drain_delay, config.sources["drain_delay"]) == (5, "KUBERNETES_SERVICE_HOST")
    assert load(tmp_path, environ={**inside, "PYTRITON_HOST_DRAIN_DELAY": "0"}).drain_delay == 0


def test_a_stop_must_fit_into_the_grace_period(tmp_path: Path) -> None:
    assert load(tmp_path, {"drain_delay": "20", "drain_timeout": "7", "grace_period": "30"}).grace_period == 30
    with pytest.raises(ConfigError, match=r"drain-delay 20 \+ drain-timeout 8 \+ 3 s to end everything = 31 s; raise"):
        load(tmp_path, {"drain_delay": "20", "drain_timeout": "8", "grace_period": "30"})
    # Hook plugins have their say in what is left open, so that is checked once they have been asked (with_drain).
    assert load(tmp_path, {"grace_period": "3"}).drain == Drain(0, 1, 3)


def test_the_drain_delay_of_kubernetes_is_not_fixed(tmp_path: Path) -> None:
    assert load(tmp_path, {"drain_timeout": "2"}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}).fixed == {"drain_timeout"}


MANY = """
http_prt = 1
workers = 0
allow = ["trace", "inference", "nothing"]
shm = 3
server_options = {log-verbose = 1}

[models.resnet]
worker = 2
timeout = "long"
shm = {initial = "x", maximum = 1}
sequence = {max_idle = 0, max_live = "3", strategy = "oldest"}
triton_config = {dynamic_batchin = {}, response_cache = {enable = 1}, name = "other"}

[plugins]
guard = 1

[[environments]]
path = "x"
"""


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    flags: Flags = {"drain_timeout": "soon", "grpc_port": "x", "log_level": "loud"}
    environ = {"PYTRITON_HOST_HTTP_PORT": "8002", "PYTRITON_HOST_SHM_TOTAL": "8MiB", "PYTRITON_HOST_LOAD_TIMEOUT": "x"}
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, flags, environ, MANY)
    file = f"{tmp_path / 'pytriton-host.toml'}: "
    assert [problem.removeprefix(file).partition("; ")[0] for problem in caught.value.problems] == [
        "unknown key http_prt",
        "shm is not a table",
        "unknown key models.resnet.worker",
        "models.resnet.timeout: invalid duration 'long': expected seconds such as 20, or 500ms, 2m",
        "models.resnet.shm.initial: invalid size 'x': expected a number of bytes, or text such as 16MiB or 2GiB",
        "unknown key models.resnet.shm.maximum",
        "models.resnet.sequence.max_idle: invalid idle time 0: expected seconds from 0.05 to 604800",
        "models.resnet.sequence.max_live: invalid number of live sequences '3': expected 1 to 65536",
        "unknown key models.resnet.sequence.strategy",
        "models.resnet: triton_config has 'name', which the daemon writes itself",
        "models.resnet: triton_config: unknown key dynamic_batchin",
        "models.resnet: triton_config: response_cache.enable: invalid value 1: expected true or false",
        "plugins.guard is not a table",
        "environments: expected one key",
        "--grpc-port: invalid port 'x': expected 0 to 65535",
        "workers: invalid number of workers 0: expected 1 to 1024",
        "PYTRITON_HOST_LOAD_TIMEOUT: invalid duration 'x': expected seconds such as 20, or 500ms, 2m",
        "--drain-timeout: invalid duration 'soon': expected seconds such as 20, or 500ms, 2m",
        "allow: invalid category 'inference': expected one of shared-memory, model-repository, trace, logging, attach",
        "allow: invalid category 'nothing': expected one of shared-memory, model-repository, trace, logging, attach",
        "--log-level: invalid log level 'loud': expected one of debug, info, warning, error",
        "shm-total (8MiB) is less than shm-initial (16MiB)",
    ]


def test_a_wrong_value_contradicts_nothing(tmp_path: Path) -> None:
    """An invalid value is replaced by its default, which is not checked against other settings."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {"http_port": "x", "grpc_port": "8000", "shm_initial": "x", "shm_max": "8MiB"})
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["--http-port", "--shm-initial"]
