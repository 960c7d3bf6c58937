"""`manifests`: its output and files in each form, and every mistake in one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Called

ADD_SUB = ("--plugin", "add-sub", "--image", "registry.example/acme:1.2")


def test_a_folder_gets_a_file_for_each(called: Called, tmp_path: Path) -> None:
    ran = called("manifests", *ADD_SUB, "-o", "out")
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
    (line,) = [line for line in ran.out.splitlines() if "total" in line.split()[:1]]
    assert line.split()[:2] == ["total", "2112Mi"]
    assert ran.out.splitlines()[-1] == "Next: kubectl apply -f out"
    ran = called("manifests", *ADD_SUB, "-o", "a chart", "--format", "helm")
    assert ran.out.splitlines()[-1] == "Next: helm upgrade --install models './a chart'"


def test_json(called: Called) -> None:
    ran = called("manifests", *ADD_SUB, "--json")
    document = json.loads(ran.out)
    assert document["schema"] == 1
    assert yaml.safe_load(document["files"]["service.yaml"])["kind"] == "Service"
    document = json.loads(called("manifests", "--plugin", "add-sub", "--values", "--json").out)
    assert {"name": "replicas", "default": 2} in [
        {k: v for k, v in each.items() if k != "text"} for each in document["values"]
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--plugin", "add-sub"], 2, "--image is missing; name the image to run"),
        ([*ADD_SUB, "--format", "helm"], 2, "--format helm writes several files; name a folder with -o"),
        (
            [*ADD_SUB, "--name", "Acme"],
            2,
            "--name: invalid name Acme: expected at most 48 lower-case letters",
        ),
        (
            [*ADD_SUB, "--set", "replica=3"],
            2,
            "did you mean replicas?; --values shows all values",
        ),
        ([*ADD_SUB, "--set", "replicas"], 2, "--set: invalid setting replicas: expected NAME=VALUE"),
        ([*ADD_SUB, "--set", "replicas=two"], 2, "--set replicas=two: expected a whole number"),
        ([*ADD_SUB, "--set", "replicas=-1"], 2, "--set replicas=-1: expected 0 or more"),
        ([*ADD_SUB, "--set", "replicas=true"], 2, "--set replicas=true: expected a whole number"),
        ([*ADD_SUB, "--set", "env={a: b}"], 2, "--set env={a: b}: expected a list, such as"),
        ([*ADD_SUB, "--set", "env=[}"], 2, "--set env: invalid YAML: "),
        ([*ADD_SUB, "--set", "sharedMemory.total=lots"], 2, "expected for example 1024Mi"),
        ([*ADD_SUB, "--set", "sharedMemory.total=1K"], 2, "expected for example 1024Mi"),
        ([*ADD_SUB, "--set", "sharedMemory.total=1Mi"], 2, "is less than the models need at the start (16Mi)"),
        (
            [*ADD_SUB, "--set", "autoscaling.minReplicas=9"],
            2,
            "(9) is more than autoscaling.maxReplicas (6)",
        ),
        ([*ADD_SUB, "--set", "startupSeconds=1"], 2, "--set startupSeconds=1: expected 2 or more"),
        ([*ADD_SUB, "--format", "kserve", "--set", "podMonitor.enabled=false"], 2, "--set: unknown value"),
        ([*ADD_SUB, "--format", "kserve", "--set", "autoscaling.metric=cpu"], 2, "--set: unknown value"),
        ([*ADD_SUB, "--set", "autoscaling.metric=gpu"], 2, "expected cpu or requests"),
        ([*ADD_SUB, "--set", "image.pullPolicy=Often"], 2, "expected Always or IfNotPresent or Never"),
        (
            [*ADD_SUB, "--model-memory", "add_sub=much"],
            2,
            "--model-memory add_sub=much: invalid size 'much'",
        ),
        ([*ADD_SUB, "--model-memory", "add_sob=1GiB"], 2, "unknown model add_sob; did you mean add_sub?"),
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
    assert service["spec"]["predictor"]["terminationGracePeriodSeconds"] == 45
    assert service["spec"]["predictor"]["maxReplicas"] == 6
    assert (service["spec"]["predictor"]["scaleMetric"], service["spec"]["predictor"]["scaleTarget"]) == ("cpu", 80)
    (only,) = runtime["spec"]["containers"]
    assert only["resources"]["limits"]["ephemeral-storage"] == "1280Mi"
    for each in (runtime, service):
        assert each["metadata"]["labels"]["app.kubernetes.io/version"] == "1.2"
        assert each["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "pytriton-host"


def test_kserve_takes_the_values_that_it_has_a_place_for(called: Called) -> None:
    settings = ["autoscaling.enabled=false", "replicas=4", "podLabels={team: a}", "podAnnotations={note: b}"]
    options = [part for setting in settings for part in ("--set", setting)]
    *_, service = yaml.safe_load_all(called("manifests", *ADD_SUB, "--format", "kserve", *options).out)
    predictor = service["spec"]["predictor"]
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (4, 4)
    assert "scaleMetric" not in predictor
    assert (predictor["labels"], predictor["annotations"]["note"]) == ({"team": "a"}, "b")
    # Pods are replaced when the configuration changes.
    assert len(predictor["annotations"]["pytriton-plugins/config"]) == 64


ODD = [
    "workers = 1\n\n",
    "  # indented\nworkers = 1\n",
    "# a line separator \u2028 and blanks  \nworkers = 1",
    "# {{ .Values.image }} ⟦end⟧ 'quoted' \"twice\" \\ \t tab\r\nworkers = 1\r\n",
    "# é ü 漢 🙂\nworkers = 1\n",
]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_the_file_arrives_as_it_is(called: Called, text: str) -> None:
    """The configuration file is unchanged in the objects and in the chart's values."""
    Path("pytriton-host.toml").write_bytes(text.encode())
    files: dict[str, Any] = json.loads(called("manifests", *ADD_SUB, "--json").out)["files"]
    assert yaml.safe_load(files["configmap.yaml"])["data"] == {"pytriton-host.toml": text.replace("\r\n", "\n")}
    files = json.loads(called("manifests", *ADD_SUB, "--format", "helm", "--json").out)["files"]
    values = yaml.safe_load(files["values.yaml"])
    assert values["config"] == text.replace("\r\n", "\n")
    assert values["test"]["model"] == "add_sub"


@pytest.mark.parametrize(
    ("version", "semantic"),
    [
        ("0.1.0", "0.1.0"),
        ("1.2", "1.2.0"),
        ("0.2.0rc1", "0.2.0-rc.1"),
        ("1.0.dev3+g1", "1.0.0-dev.3"),
        ("unknown", "0.0.0"),
    ],
)
def test_the_charts_version_is_a_semantic_one(version: str, semantic: str) -> None:
    from pytriton_plugins.deploy.manifests.chart import semantic as made

    assert made(version) == semantic
