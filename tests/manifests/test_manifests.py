"""The committed manifests, checked by real tools: kubernetes-validate, helm, KServe's types (`tox -e manifests`).

tests/docs/test_reference.py checks that `pytriton-host manifests` writes exactly these.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster.kubernetes_tools import NEWEST, Helm, KServeTypes, validate

FOLDER = Path(__file__).parents[2] / "docs/deploying"
CHART = FOLDER / "helm"
WITHOUT_SCHEMA = {
    "kubernetes": set[str](),
    "kserve": {"ServingRuntime", "InferenceService"},
    "the operator and the adapter": {"PodMonitor"},
}
"""Kinds that a cluster does not know without additions, by form or variant; all others are Kubernetes' own."""

VARIANTS: dict[str, list[str]] = {
    "default": [],
    "fixed replicas": ["--set=autoscaling.enabled=false,replicas=3"],
    "nothing optional": [
        "--set=autoscaling.enabled=false,networkPolicy.enabled=false",
        "--set=podDisruptionBudget.enabled=false,config=,test.model=",
    ],
    "clients' shared memory": ["--set=clientSharedMemory.enabled=true,clientSharedMemory.size=2Gi"],
    "digest": ["--set=image.repository=registry.example/a@sha256:0123,image.tag=,image.pullPolicy=Always"],
    "a GPU": ['--set-json=resources.limits={"nvidia.com/gpu":1}', "--set=resources.memory=8Gi"],
    "everything of the pod": [
        '--set-json=env=[{"name":"A","value":"b"},{"name":"C","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}]',
        '--set-json=extraVolumes=[{"name":"weights","persistentVolumeClaim":{"claimName":"w"}}]',
        '--set-json=extraVolumeMounts=[{"name":"weights","mountPath":"/weights","readOnly":true}]',
        '--set-json=tolerations=[{"key":"nvidia.com/gpu","operator":"Exists"}]',
        '--set-json=affinity={"nodeAffinity":{}}',
        '--set-json=imagePullSecrets=[{"name":"registry"}]',
        "--set=nodeSelector.disk=ssd,podLabels.team=a,podAnnotations.note=b,priorityClassName=high",
        "--set=serviceAccountName=models,serviceAnnotations.note=c",
    ],
    "the operator and the adapter": [
        "--set=podMonitor.enabled=true,podMonitor.labels.release=prometheus,autoscaling.metric=requests",
    ],
    "slow": ["--set=drainDelay=10,drainTimeout=30,gracePeriod=50,startupSeconds=900"],
}


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm.unpacked(tmp_path_factory.mktemp("helm"))


def plain(form: str) -> list[Any]:
    return [yaml.safe_load(path.read_text()) for path in sorted((FOLDER / form).glob("*.yaml"))]


def check(objects: list[Any], folder: Path, unknown: set[str]) -> None:
    """Check strictly for the three newest versions, which have a schema for all kinds but the ``unknown`` ones."""
    for version in NEWEST:
        output = validate(objects, folder, version)
        assert output.count(" passed for resource ") == len(objects) - len(unknown)
        assert output.count("Couldn't find schema") == len(unknown), output


@pytest.mark.parametrize("form", ["kubernetes", "kserve"])
def test_the_objects_are_kubernetes(form: str, tmp_path: Path) -> None:
    objects = plain(form)
    assert len(objects) == {"kubernetes": 7, "kserve": 3}[form]
    check(objects, tmp_path, WITHOUT_SCHEMA[form])


def test_a_wrong_key_is_seen(tmp_path: Path) -> None:
    """A control: the tool refuses unknown keys."""
    (deployment,) = [each for each in plain("kubernetes") if each["kind"] == "Deployment"]
    deployment["spec"]["template"]["spec"]["gracePeriod"] = 1
    with pytest.raises(AssertionError, match="gracePeriod"):
        validate([deployment], tmp_path, NEWEST[0])


def test_helm_finds_nothing_to_say(helm: Helm) -> None:
    done = helm.run("lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_of_the_chart(helm: Helm, variant: str, tmp_path: Path) -> None:
    done = helm.run("lint", "--strict", CHART, *VARIANTS[variant])
    assert done.returncode == 0, done.stdout + done.stderr
    objects = helm.template(CHART, *VARIANTS[variant])
    check(objects, tmp_path, WITHOUT_SCHEMA.get(variant, set()))
    found = {each["kind"] for each in objects}
    assert found >= {"Deployment", "Service"}
    optional = {"HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "ConfigMap", "Pod"}
    missing = {"fixed replicas": {"HorizontalPodAutoscaler"}, "nothing optional": optional}.get(variant, set())
    assert optional - found == missing


def test_the_values_arrive_in_the_pod(helm: Helm) -> None:
    objects = helm.template(CHART, *VARIANTS["everything of the pod"])
    (deployment,) = [each for each in objects if each["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    pod, (container,) = template["spec"], template["spec"]["containers"]
    assert {"name": "A", "value": "b"} in container["env"]
    assert pod["volumes"][-1] == {"name": "weights", "persistentVolumeClaim": {"claimName": "w"}}
    assert container["volumeMounts"][-1] == {"name": "weights", "mountPath": "/weights", "readOnly": True}
    assert template["metadata"]["labels"]["team"] == "a"
    assert template["metadata"]["annotations"]["note"] == "b"
    assert (pod["nodeSelector"], pod["priorityClassName"]) == ({"disk": "ssd"}, "high")
    assert (pod["imagePullSecrets"], pod["serviceAccountName"]) == ([{"name": "registry"}], "models")
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    assert pod["affinity"] == {"nodeAffinity": {}}


@pytest.mark.parametrize(
    ("values", "memory"),
    [
        ("resources.memory=1Gi", "2048Mi"),
        ("sharedMemory.total=8Gi", "9792Mi"),
        ("clientSharedMemory.enabled=true,clientSharedMemory.size=512Mi", "3136Mi"),
    ],
)
def test_the_memory_is_the_sum_of_the_values(helm: Helm, values: str, memory: str) -> None:
    """By default 1600 for the processes and 1024 of shared memory."""
    (deployment,) = [each for each in helm.template(CHART, "--set", values) if each["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == memory
    assert container["resources"]["requests"] == {"cpu": "2", "memory": memory, "ephemeral-storage": "1280Mi"}


def test_the_storage_is_the_sum_of_tmp_and_the_log(helm: Helm) -> None:
    """3 GiB for /tmp and 256 MiB for the log."""
    objects = helm.template(CHART, "--set=tmpSize=3Gi")
    (deployment,) = [each for each in objects if each["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    resources = pod["containers"][0]["resources"]
    assert [resources[which]["ephemeral-storage"] for which in ("requests", "limits")] == ["3328Mi", "3328Mi"]
    assert {"name": "tmp", "emptyDir": {"sizeLimit": "3Gi"}} in pod["volumes"]


@pytest.mark.parametrize(
    ("values", "version"),
    [("image.tag=1.0", "1.0"), (f"image.tag=_a.{'b' * 70}", f"a.{'b' * 60}"), ("image.tag=", "")],
)
def test_every_object_says_what_it_is_of(helm: Helm, values: str, version: str) -> None:
    """The tag becomes a label, cut and stripped if needed; without a tag the framework's version."""
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    for each in helm.template(CHART, "--set", values):
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/version"] == (version or about["appVersion"])
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["app.kubernetes.io/part-of"] == "pytriton-plugins"


@pytest.mark.parametrize(
    ("values", "kind"), [("autoscaling.metric=cpu", "Resource"), ("autoscaling.metric=requests", "Pods")]
)
def test_the_chart_scales_by_one_metric(helm: Helm, values: str, kind: str) -> None:
    objects = helm.template(CHART, "--set", values)
    (autoscaler,) = [each for each in objects if each["kind"] == "HorizontalPodAutoscaler"]
    assert [each["type"] for each in autoscaler["spec"]["metrics"]] == [kind]


def test_chart_and_objects_are_the_same(helm: Helm) -> None:
    """Except names, labels and the test of the release, which only the chart has."""
    of_chart = {_key(each, "acme-models"): _bare(each) for each in helm.template(CHART) if each["kind"] != "Pod"}
    assert of_chart == {_key(each, "models"): _bare(each) for each in plain("kubernetes")}


def _key(found: Any, name: str) -> tuple[str, str]:
    assert found["metadata"]["name"].startswith(name)
    return found["kind"], found["metadata"]["name"].removeprefix(name)


def _bare(found: Any) -> Any:
    """Without labels and names at any depth."""
    if isinstance(found, dict):
        labels = ("labels", "matchLabels")
        return {
            key: _bare(value)
            for key, value in found.items()
            if key not in labels and not (key == "selector" and "matchLabels" not in value)
        }
    if isinstance(found, list):
        return [_bare(item) for item in found]
    return "NAME" if found in ("models", "acme-models") else str(found).replace("acme-models-", "models-")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("replica=3", "additional properties 'replica' not allowed"),
        ("replicas=two", "got string, want integer"),
        ("sharedMemory.total=lots", "does not match pattern"),
        ("sharedMemory.total=1Mi", "sharedMemory.total is less than the 16Mi that the models need at the start"),
        ("image.pullPolicy=Often", "value must be one of"),
        ("gracePeriod=8", "gracePeriod is 8 s, and drainDelay + drainTimeout + 3 are 38 s; raise gracePeriod"),
        ("autoscaling.minReplicas=9", "autoscaling.minReplicas is more than autoscaling.maxReplicas"),
    ],
)
def test_wrong_values_are_refused(helm: Helm, values: str, message: str) -> None:
    done = helm.run("template", "acme", CHART, "--set", values)
    assert done.returncode != 0
    assert message in done.stderr


def test_the_test_of_the_release_is_no_endpoint(helm: Helm) -> None:
    objects = helm.template(CHART)
    (pod,) = [each for each in objects if each["kind"] == "Pod"]
    for service in (each for each in objects if each["kind"] == "Service"):
        assert not service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    (container,) = pod["spec"]["containers"]
    assert container["args"] == [
        *("infer", "--url", "acme-models:8001", "--wait", "180", "add_sub", "a=1,2,3", "b=1,2,3"),
    ]


def test_a_pod_monitor_has_no_key_that_the_operator_does_not_know(helm: Helm) -> None:
    """No package has its definition; these keys come from its API reference."""
    objects = helm.template(CHART, *VARIANTS["the operator and the adapter"])
    (monitor,) = [each for each in objects if each["kind"] == "PodMonitor"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    spec = copy.deepcopy(monitor["spec"])
    (endpoint,) = spec.pop("podMetricsEndpoints")
    assert {*endpoint} <= {"port", "path", "interval", "scrapeTimeout", "scheme"}
    assert {*spec} <= {"selector", "namespaceSelector", "jobLabel", "podTargetLabels"}
    (deployment,) = [each for each in plain("kubernetes") if each["kind"] == "Deployment"]
    ports = deployment["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert endpoint["port"] in [port["name"] for port in ports]


def test_the_variant_for_kserve_has_its_types(tmp_path_factory: pytest.TempPathFactory) -> None:
    types = KServeTypes(tmp_path_factory.mktemp("kserve"))
    kinds = {"ServingRuntime": "V1alpha1ServingRuntime", "InferenceService": "V1beta1InferenceService"}
    objects = [each for each in plain("kserve") if each["kind"] in kinds]
    assert len(objects) == 2
    for each in objects:
        assert [*types.problems(each, kinds[each["kind"]], each["kind"])] == []
        each["spec"]["nonsense"] = {}
        (problem,) = types.problems(each, kinds[each["kind"]], each["kind"])
        assert problem.startswith(f"{each['kind']}.spec.nonsense is not in V1")


def test_the_container_of_kserve_is_the_deployments(tmp_path: Path) -> None:
    """The result of kubernetes-validate for one therefore holds for the other."""
    (runtime,) = [each for each in plain("kserve") if each["kind"] == "ServingRuntime"]
    (deployment,) = [each for each in plain("kubernetes") if each["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (theirs,), (ours,) = runtime["spec"]["containers"], pod["containers"]
    assert {**theirs, "name": ours["name"]} == ours
    assert runtime["spec"]["volumes"] == pod["volumes"]
