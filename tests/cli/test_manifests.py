"""`manifests`: what of the configuration and the models becomes what of the objects; runs in pytest."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Called

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
        "PodMonitor",
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
    for kind in ("Deployment", "PodDisruptionBudget", "PodMonitor"):
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
        ([], 11, "5", "1"),  # 5 + 1 + 3 to end everything, and 2 for the kubelet
        (["--drain-timeout=20"], 30, "5", "20"),
        (["--drain-delay=0"], 6, "0", "1"),
        (["--drain-delay=2.5", "--drain-timeout=1.5"], 10, "3", "2"),
        (["--grace-period=60"], 60, "5", "1"),
        (["--set", "gracePeriod=45"], 45, "5", "1"),
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
            "POD_TERMINATION_GRACE_PERIOD": str(grace),
        }.items()
    )


@pytest.mark.parametrize("options", [["--grace-period=8"], ["--set", "gracePeriod=8"], ["--set", "drainDelay=9"]])
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
        (["--set", "clientSharedMemory.enabled=true", "--set", "clientSharedMemory.size=2Gi"], "4Gi"),
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
    volume = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}
    assert shm(objects(called, "--allow=shared-memory")) == ([{"name": "shm", "mountPath": "/dev/shm"}], [volume])
    mounts, volumes = shm(objects(called, "--set", "clientSharedMemory.enabled=true"))
    assert (len(mounts), volumes) == (1, [volume])


def test_without_the_autoscaler_the_replicas_are_the_deployments(called: Called) -> None:
    found = objects(called)
    assert "replicas" not in found["Deployment"]["spec"]
    (metric,) = found["HorizontalPodAutoscaler"]["spec"]["metrics"]
    assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": "2"}
    found = objects(called, "--set", "autoscaling.enabled=false", "--set", "replicas=5")
    assert "HorizontalPodAutoscaler" not in found
    assert found["Deployment"]["spec"]["replicas"] == 5


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("podMonitor.enabled", "PodMonitor"),
        ("networkPolicy.enabled", "NetworkPolicy"),
        ("podDisruptionBudget.enabled", "PodDisruptionBudget"),
    ],
)
def test_objects_that_can_be_left_out(called: Called, value: str, kind: str) -> None:
    assert kind not in objects(called, "--set", f"{value}=false")


TOML = 'enable = ["add-sub"]  # kept\nworkers = 2\n'


def test_the_file_becomes_a_config_map(called: Called) -> None:
    Path("pytriton-host.toml").write_text(TOML)
    found = objects(called, "--workers=1")
    assert found["ConfigMap"]["data"] == {"pytriton-host.toml": TOML}
    assert variables(found)["PYTRITON_HOST_CONFIG"] == "/etc/pytriton-host/pytriton-host.toml"
    assert {"name": "config", "configMap": {"name": "models"}} in pod(found)["volumes"]
    # The option goes before the file there as here.
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
    ran = called("manifests", *ADD_SUB, "--run-dir=/srv/here")
    assert ran.code == 0
    assert "/srv/here" not in ran.out
    assert "--run-dir means a place on this machine, so it is left out" in ran.err


def test_ports_are_the_configured_ones(called: Called) -> None:
    found = objects(called, "--http-port=9000", "--grpc-port=9001", "--metrics-port=0")
    assert [each["containerPort"] for each in container(found)["ports"]] == [9000, 9001, 8002]
    assert [each["port"] for each in found["Service"]["spec"]["ports"]] == [9000, 9001]
    # Any free port would be one that no Service knows.
    said = [variables(found)[f"PYTRITON_HOST_{name}_PORT"] for name in ("HTTP", "GRPC", "METRICS")]
    assert said == ["9000", "9001", "8002"]


def test_a_folder_gets_a_file_for_each(called: Called, tmp_path: Path) -> None:
    ran = called("manifests", *ADD_SUB, "-o", "out", "--set", "podMonitor.enabled=false")
    assert ran.code == 0, ran.err
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == [
        "deployment.yaml",
        "horizontalpodautoscaler.yaml",
        "networkpolicy.yaml",
        "poddisruptionbudget.yaml",
        "service-grpc.yaml",
        "service.yaml",
    ]
    (line,) = [line for line in ran.out.splitlines() if "together" in line]
    assert line.split()[:2] == ["together", "2112Mi"]


def test_json(called: Called) -> None:
    ran = called("manifests", *ADD_SUB, "--json")
    said = json.loads(ran.out)
    assert said["schema"] == 1
    assert yaml.safe_load(said["files"]["service.yaml"])["kind"] == "Service"
    said = json.loads(called("manifests", "--plugin", "add-sub", "--values", "--json").out)
    assert {"name": "replicas", "default": 2} in [
        {k: v for k, v in each.items() if k != "text"} for each in said["values"]
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--plugin", "add-sub"], 2, "--image is missing: the image that the cluster is to run"),
        ([*ADD_SUB, "--format", "helm"], 2, "a chart is several files: name a folder with -o"),
        ([*ADD_SUB, "--name", "Acme"], 2, "--name Acme: write lower-case letters, digits and -"),
        (
            [*ADD_SUB, "--set", "replica=3"],
            2,
            "there is no such value; did you mean replicas?; --values shows them all",
        ),
        ([*ADD_SUB, "--set", "replicas"], 2, "--set replicas: write NAME=VALUE"),
        ([*ADD_SUB, "--set", "replicas=two"], 2, "--set replicas=two: write a whole number"),
        ([*ADD_SUB, "--set", "replicas=-1"], 2, "--set replicas=-1: write 0 or more"),
        ([*ADD_SUB, "--set", "replicas=true"], 2, "--set replicas=true: write a whole number"),
        ([*ADD_SUB, "--set", "env={a: b}"], 2, "--set env={a: b}: write a list, such as"),
        ([*ADD_SUB, "--set", "env=[}"], 2, "--set env: no YAML: "),
        ([*ADD_SUB, "--set", "sharedMemory.total=lots"], 2, "write for example 1Gi"),
        ([*ADD_SUB, "--set", "image.pullPolicy=Often"], 2, "write Always or IfNotPresent or Never"),
        ([*ADD_SUB, "--model-memory", "add_sub=much"], 2, "--model-memory add_sub=much: 'much' is no size"),
        ([*ADD_SUB, "--model-memory", "add_sob=1GiB"], 2, "there is no such model; did you mean add_sub?"),
        (["--image", "a:1", "--plugin", "nothing"], 2, "nothing"),
    ],
)
def test_mistakes_end_in_one_line(called: Called, arguments: list[str], code: int, expected: str) -> None:
    ran = called("manifests", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert expected in ran.err
    assert len(ran.err.splitlines()) == 1


def test_without_the_extra(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pytriton_plugins.deploy")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "yaml", None)
    ran = called("manifests", *ADD_SUB)
    assert (ran.code, ran.out) == (2, "")
    assert "pip install 'pytriton-plugins[deploy]'" in ran.err


def test_kserve(called: Called) -> None:
    ran = called("manifests", *ADD_SUB, "--format", "kserve")
    runtime, service = yaml.safe_load_all(ran.out)
    assert (runtime["kind"], service["kind"]) == ("ServingRuntime", "InferenceService")
    (only,) = runtime["spec"]["containers"]
    assert (only["name"], only["image"]) == ("kserve-container", "registry.example/acme:1.2")
    (format_,) = runtime["spec"]["supportedModelFormats"]
    model = service["spec"]["predictor"]["model"]
    assert model["modelFormat"]["name"] == format_["name"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert service["spec"]["predictor"]["terminationGracePeriodSeconds"] == 11
