"""`manifests`: the fields of the objects that come from the configuration and the models."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytriton_plugins.discovery.entry_points import framework_version
from tests.cli.conftest import Called
from tests.support.sandbox.fake_distributions import install

ADD_SUB = ("--plugin", "add-sub", "--image", "registry.example/acme:1.2")


def objects(called: Called, *arguments: str) -> dict[str, Any]:
    """The objects by kind; the second Service is ``Service models-grpc``."""
    ran = called("manifests", *ADD_SUB, *arguments)
    assert ran.code == 0, ran.err
    found = list(yaml.safe_load_all(ran.out))
    return {f"{each['kind']} {each['metadata']['name']}".removesuffix(" models"): each for each in found}


def pod(found: dict[str, Any]) -> Any:
    return found["Deployment"]["spec"]["template"]["spec"]


def container(found: dict[str, Any]) -> Any:
    (only,) = pod(found)["containers"]
    return only


def variables(found: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container(found)["env"] if "value" in each}


def test_every_object(called: Called) -> None:
    found = objects(called)
    assert [*found] == [
        "Deployment",
        "Service",
        "Service models-grpc",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
    ]
    assert container(found)["image"] == "registry.example/acme:1.2"
    assert {each["name"]: each["containerPort"] for each in container(found)["ports"]} == {
        "http": 8000,
        "grpc": 8001,
        "metrics": 8002,
    }
    assert found["Service models-grpc"]["spec"]["clusterIP"] == "None"
    assert found["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    selector = {"app.kubernetes.io/name": "models"}
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert found[kind]["spec"]["selector"] == {"matchLabels": selector}
    for kind in ("Service", "Service models-grpc"):
        assert found[kind]["spec"]["selector"] == selector
    assert found["Deployment"]["spec"]["template"]["metadata"]["labels"].items() >= selector.items()


def test_rights_are_as_few_as_can_be(called: Called) -> None:
    found = objects(called)
    assert pod(found)["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 0,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container(found)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (pod(found)["enableServiceLinks"], pod(found)["automountServiceAccountToken"]) == (False, False)


@pytest.mark.parametrize(
    ("options", "grace", "delay", "timeout"),
    [
        ([], 45, "5", "30"),  # 5 + 30 + 3 to end everything, 2 for the kubelet, and some to spare
        (["--drain-timeout=20"], 45, "5", "20"),
        (["--drain-delay=10", "--drain-timeout=40"], 55, "10", "40"),
        (["--drain-delay=9.5", "--drain-timeout=30.5"], 46, "10", "31"),
        (["--grace-period=60"], 60, "5", "50"),
        (["--grace-period=20", "--drain-delay=2"], 20, "2", "13"),
        (["--set", "gracePeriod=60"], 60, "5", "30"),
    ],
)
def test_the_grace_period_is_the_hosts_own_arithmetic(
    called: Called, options: list[str], grace: int, delay: str, timeout: str
) -> None:
    found = objects(called, *options)
    assert pod(found)["terminationGracePeriodSeconds"] == grace
    assert (
        variables(found).items()
        >= {
            "PYTRITON_HOST_DRAIN_DELAY": delay,
            "PYTRITON_HOST_DRAIN_TIMEOUT": timeout,
            "PYTRITON_HOST_GRACE_PERIOD": str(grace),
        }.items()
    )


@pytest.mark.parametrize("options", [["--grace-period=8"], ["--set", "gracePeriod=8"], ["--set", "drainDelay=13"]])
def test_a_grace_period_that_is_too_short(called: Called, options: list[str]) -> None:
    ran = called("manifests", *ADD_SUB, *options)
    assert (ran.code, ran.out) == (2, "")
    assert "raise --grace-period or --set gracePeriod" in ran.err


@pytest.mark.parametrize(
    ("options", "memory"),
    [
        # 64 of the daemon, 512 of tritonserver, 512 of the worker, 1024 shared
        ([], "2112Mi"),
        (["--workers=3"], "3136Mi"),
        (["--model-memory=2GiB"], "3648Mi"),
        (["--model-memory=1GiB", "--model-memory=add_sub=1536MiB"], "3136Mi"),
        (["--shm-total=448MiB"], "1536Mi"),
        (["--set", "sharedMemory.total=512Mi"], "1600Mi"),
        (["--allow=shared-memory"], "3136Mi"),
        (["--set", "clientSharedMemory.enabled=true", "--set", "clientSharedMemory.size=2Gi"], "4096Mi"),
    ],
)
def test_memory_is_the_models_and_the_shared_memorys(called: Called, options: list[str], memory: str) -> None:
    if "clientSharedMemory.enabled=true" in options:
        options = [*options, "--set", "sharedMemory.total=960Mi"]
    found = objects(called, *options)
    resources = container(found)["resources"]
    assert (resources["limits"]["memory"], resources["requests"]["memory"]) == (memory, memory)


def test_start_up_has_the_time_that_it_may_take(called: Called) -> None:
    probe = container(objects(called, "--import-timeout=100", "--load-timeout=41"))["startupProbe"]
    assert (probe["periodSeconds"], probe["failureThreshold"]) == (2, 91)


def shm(found: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    mounts = [each for each in container(found)["volumeMounts"] if each["mountPath"] == "/dev/shm"]
    return mounts, [each for each in pod(found)["volumes"] if each["name"] == "shm"]


def test_clients_shared_memory_only_where_it_is_allowed_or_asked_for(called: Called) -> None:
    assert shm(objects(called)) == ([], [])
    volume = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1024Mi"}}
    assert shm(objects(called, "--allow=shared-memory")) == ([{"name": "shm", "mountPath": "/dev/shm"}], [volume])
    mounts, volumes = shm(objects(called, "--set", "clientSharedMemory.enabled=true"))
    assert (len(mounts), volumes) == (1, [volume])


def test_without_the_autoscaler_the_replicas_are_the_deployments(called: Called) -> None:
    found = objects(called)
    assert "replicas" not in found["Deployment"]["spec"]
    found = objects(called, "--set", "autoscaling.enabled=false", "--set", "replicas=5")
    assert "HorizontalPodAutoscaler" not in found
    assert found["Deployment"]["spec"]["replicas"] == 5


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("networkPolicy.enabled", "NetworkPolicy"),
        ("podDisruptionBudget.enabled", "PodDisruptionBudget"),
    ],
)
def test_objects_that_can_be_left_out(called: Called, value: str, kind: str) -> None:
    assert kind not in objects(called, "--set", f"{value}=false")


BUILT_IN = {"v1", "apps/v1", "policy/v1", "autoscaling/v2", "networking.k8s.io/v1"}
"""The APIs of every cluster from Kubernetes 1.27 on."""


def test_a_cluster_without_additions_takes_all_of_it(called: Called) -> None:
    Path("pytriton-host.toml").write_text(TOML)
    assert {each["apiVersion"] for each in objects(called).values()} == BUILT_IN


def test_a_pod_monitor_where_it_is_asked_for(called: Called) -> None:
    monitor = objects(called, "--set", "podMonitor.enabled=true", "--set", "podMonitor.labels={release: p}")[
        "PodMonitor"
    ]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["spec"] == {
        "selector": {"matchLabels": {"app.kubernetes.io/name": "models"}},
        "podMetricsEndpoints": [{"port": "metrics", "path": "/metrics", "interval": "10s"}],
    }
    assert monitor["metadata"]["labels"]["release"] == "p"


@pytest.mark.parametrize(
    ("settings", "metric"),
    [
        (
            [],
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            },
        ),
        (
            ["--set", "autoscaling.metric=requests"],
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "pytriton_requests_in_flight"},
                    "target": {"type": "AverageValue", "averageValue": "2"},
                },
            },
        ),
    ],
)
def test_the_autoscaler_uses_the_chosen_metric(called: Called, settings: list[str], metric: object) -> None:
    """Processor time by default, which needs no adapter; requests if asked for."""
    assert objects(called, *settings)["HorizontalPodAutoscaler"]["spec"]["metrics"] == [metric]


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("registry.example:5000/acme:1.2", "1.2"),
        (f"registry.example/acme:_a.{'b' * 70}", f"a.{'b' * 60}"),
        ("registry.example:5000/acme", framework_version()),
        (f"registry.example/acme@sha256:{'0' * 64}", framework_version()),
    ],
)
def test_every_object_says_what_it_is_of(called: Called, image: str, version: str) -> None:
    """The tag becomes a label; it is cut and stripped where a label does not allow it."""
    found = objects(called, "--image", image)
    for each in [*found.values(), found["Deployment"]["spec"]["template"]]:
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/version"] == version
        assert labels["app.kubernetes.io/managed-by"] == "pytriton-host"


def test_the_disk_is_tmp_and_the_log(called: Called) -> None:
    """The size of /tmp (default: 1 GiB) plus 256 MiB for the log."""
    for settings, size in (([], "1280Mi"), (["--set", "tmpSize=100Mi"], "356Mi")):
        resources = container(objects(called, *settings))["resources"]
        assert [resources[which]["ephemeral-storage"] for which in ("requests", "limits")] == [size, size]


TOML = 'enable = ["add-sub"]  # kept\nworkers = 2\n'


def test_the_file_becomes_a_config_map(called: Called) -> None:
    Path("pytriton-host.toml").write_text(TOML)
    found = objects(called, "--workers=1")
    assert found["ConfigMap"]["data"] == {"pytriton-host.toml": TOML}
    assert variables(found)["PYTRITON_HOST_CONFIG"] == "/etc/pytriton-host/pytriton-host.toml"
    assert {"name": "config", "configMap": {"name": "models"}} in pod(found)["volumes"]
    # The option overrides the file there as here.
    assert variables(found)["PYTRITON_HOST_WORKERS"] == "1"
    assert container(found)["resources"]["requests"]["cpu"] == "1"
    digest = found["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    Path("pytriton-host.toml").write_text(TOML.replace("2", "3"))
    found = objects(called)
    assert found["Deployment"]["spec"]["template"]["metadata"]["annotations"] != digest
    assert "PYTRITON_HOST_WORKERS" not in variables(found)


def test_the_table_of_a_pyproject_becomes_one_too(called: Called) -> None:
    Path("pyproject.toml").write_text('[project]\nname = "acme"\n\n[tool.pytriton-host]\nworkers = 4\n')
    assert objects(called)["ConfigMap"]["data"] == {"pytriton-host.toml": "workers = 4\n"}
    Path("pyproject.toml").write_text('[project]\nname = "acme"\n')
    assert "ConfigMap" not in objects(called)


def test_options_and_variables_become_variables(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTRITON_HOST_LOG_FORMAT", "json")
    options = [
        "--server-option=log-verbose=1",
        "--server-option=http-thread-count=4",
        "--shm-max=64MiB",
        "--no-shm-lend",
    ]
    assert (
        variables(objects(called, *options)).items()
        >= {
            "PYTRITON_HOST_LOG_FORMAT": "json",
            "PYTRITON_HOST_SERVER_OPTION": "log-verbose=1,http-thread-count=4",
            "PYTRITON_HOST_SHM_MAX": "67108864",
            "PYTRITON_HOST_SHM_LEND": "false",
            "PYTRITON_HOST_PLUGIN": "add-sub",
        }.items()
    )


def test_places_of_this_machine_are_left_out(called: Called) -> None:
    """Paths of this machine are left out."""
    ran = called("manifests", *ADD_SUB, "--run-dir=/srv/here")
    assert ran.code == 0
    assert "/srv/here" not in ran.out
    assert "--run-dir is local to this machine; it is left out" in ran.err


def test_a_secret_is_not_written(called: Called) -> None:
    ran = called("manifests", "--image", "r/i:1", "--forward-header=x-user", "--forward-prefix=only-a-proxy-knows-")
    warning = "--forward-prefix is a secret, so it is left out; set PYTRITON_HOST_FORWARD_PREFIX from a Secret"
    assert warning in ran.err
    assert "only-a-proxy-knows-" not in ran.out + ran.err


def test_ports_are_the_configured_ones(called: Called) -> None:
    found = objects(called, "--http-port=9000", "--grpc-port=9001", "--metrics-port=0")
    assert [each["containerPort"] for each in container(found)["ports"]] == [9000, 9001, 8002]
    assert [each["port"] for each in found["Service"]["spec"]["ports"]] == [9000, 9001]
    # Any free port would be one that no Service knows.
    ports = [variables(found)[f"PYTRITON_HOST_{name}_PORT"] for name in ("HTTP", "GRPC", "METRICS")]
    assert ports == ["9000", "9001", "8002"]


HOOK = """
from pytriton_plugins import hookimpl
from pytriton_plugins.values import Drain, Ports


@hookimpl
def pytriton_choose_drain(default):
    return Drain(default.delay + 5, 60, None)


@hookimpl
def pytriton_choose_ports(ports):
    return Ports(7000, 7001, 7002)
"""


@pytest.fixture
def installed(called: Called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with additional plugins, for one test."""
    folder = tmp_path / "installed"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTRITON_HOST_PLUGINS_DIR", str(folder))
    before = {*sys.modules}
    yield folder
    for name in {*sys.modules} - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]  # another test's plugin may be called the same


def test_answers_of_hook_plugins_are_used(called: Called, installed: Path) -> None:
    install(installed, "acme-hooks", {"pytriton_plugins.hooks": {"acme-hooks": "acme_hooks"}}, acme_hooks=HOOK)
    found = objects(called, "--http-port=9000", "--no-plugin=cloud-ports")
    assert [each["containerPort"] for each in container(found)["ports"]] == [9000, 7001, 7002]
    drain = [variables(found)[f"PYTRITON_HOST_DRAIN_{name}"] for name in ("DELAY", "TIMEOUT")]
    assert (drain, pod(found)["terminationGracePeriodSeconds"]) == (["10", "60"], 75)
    found = objects(called, "--drain-delay=2", "--drain-timeout=3")
    assert pod(found)["terminationGracePeriodSeconds"] == 45


def test_a_port_that_may_be_any_is_none_of_the_others(called: Called) -> None:
    found = objects(called, "--http-port=8001", "--grpc-port=0")
    assert [each["containerPort"] for each in container(found)["ports"]] == [8001, 8003, 8002]


def test_further_variables_are_further(called: Called) -> None:
    found = objects(called, "--set", "env=[{name: A, value: b}]")
    assert variables(found).items() >= {"A": "b", "PYTRITON_HOST_PLUGIN": "add-sub"}.items()


def test_models_that_begin_with_more(called: Called) -> None:
    found = objects(called, "--shm-initial=2GiB", "--shm-max=4GiB")
    assert variables(found)["PYTRITON_HOST_SHM_TOTAL"] == "2048Mi"


def test_empty_lists_of_clients_allow_no_connection(called: Called) -> None:
    """No client is allowed if none is named; an empty `from` would allow all."""
    policy = objects(called)["NetworkPolicy"]["spec"]
    assert [each["from"] for each in policy["ingress"]] == [[{"podSelector": {}}], [{"namespaceSelector": {}}]]
    policy = objects(called, "--set", "networkPolicy.clients=[]", "--set", "networkPolicy.monitoring=[]")
    assert policy["NetworkPolicy"]["spec"]["ingress"] == []


def test_an_optional_plugin_may_be_broken(called: Called, installed: Path) -> None:
    broken = "raise OSError('no weights')\n"
    install(installed, "acme-broken", {"pytriton_plugins.models": {"acme-broken": "acme_broken"}}, acme_broken=broken)
    ran = called("manifests", *ADD_SUB, "--plugin", "acme-broken")
    assert (ran.code, ran.out) == (1, "")
    assert "plugin acme-broken (acme-broken 1.0): " in ran.err
    assert "no weights" in ran.err
    ran = called("manifests", *ADD_SUB, "--plugin", "acme-broken", "--optional", "acme-broken")
    assert ran.code == 0
    assert "warning: plugin acme-broken (acme-broken 1.0): it is optional, its models are left out: " in ran.err
