"""The objects for KServe: a ServingRuntime with the same pod, and an InferenceService that runs on it."""

from __future__ import annotations

from typing import Any

from pytriton_plugins.deploy.manifests.kubernetes import DIGEST, Kind, config_map
from pytriton_plugins.deploy.manifests.plan import DeploymentPlan
from pytriton_plugins.deploy.manifests.pod import pod_spec
from pytriton_plugins.deploy.manifests.values import Values

CONTAINER = "kserve-container"
FORMAT = "pytriton-plugins"
NOT_KNOWN = (
    "autoscaling.metric",
    "autoscaling.requestsPerReplica",
    "podDisruptionBudget.",
    "podMonitor.",
    "networkPolicy.",
    "serviceAnnotations",
)
"""Values that these objects do not use; KServe's own autoscaler does not support our metric."""

_OF_THE_RUNTIME = ("containers", "volumes", "nodeSelector", "tolerations", "affinity", "imagePullSecrets")
"""The fields of a pod that a ServingRuntime has; the others are the InferenceService's."""


def _api(kind: str, version: str, values: Values, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"serving.kserve.io/{version}",
        "kind": kind,
        "metadata": {"name": values.name, "labels": values.labels, **metadata},
        "spec": spec,
    }


def serving_runtime(plan: DeploymentPlan, values: Values) -> dict[str, Any]:
    pod = pod_spec(plan, values, values.name, CONTAINER)
    spec = {
        "annotations": {"prometheus.kserve.io/port": str(plan.ports.metrics), "prometheus.kserve.io/path": "/metrics"},
        "supportedModelFormats": [{"name": FORMAT, "version": "1", "autoSelect": False}],
        "protocolVersions": ["v2", "grpc-v2"],
        **{key: pod[key] for key in _OF_THE_RUNTIME if key in pod},
    }
    return _api("ServingRuntime", "v1alpha1", values, spec)


def inference_service(plan: DeploymentPlan, values: Values) -> dict[str, Any]:
    pod = pod_spec(plan, values, values.name, CONTAINER)
    scaled = {
        "minReplicas": values["autoscaling.minReplicas"],
        "maxReplicas": values["autoscaling.maxReplicas"],
        "scaleMetric": "cpu",
        "scaleTarget": values["autoscaling.cpuUtilization"],
    }
    predictor = {
        **values.entries("autoscaling.enabled", scaled),
        **values.entries("!autoscaling.enabled", dict.fromkeys(("minReplicas", "maxReplicas"), values["replicas"])),
        "annotations": {DIGEST: values.digest("config"), **values.spread("podAnnotations")},
        **values.entries("podLabels", {"labels": values["podLabels"]}),
        **{key: value for key, value in pod.items() if key not in _OF_THE_RUNTIME},
        # The models are in the image: nothing is downloaded.
        "model": {"modelFormat": {"name": FORMAT}, "runtime": values.name, "protocolVersion": "v2"},
    }
    # With Knative a container has one port; here it has three.
    annotations = {"serving.kserve.io/deploymentMode": "RawDeployment"}
    return _api("InferenceService", "v1beta1", values, {"predictor": predictor}, annotations=annotations)


KINDS = (
    Kind("configmap", "config", config_map),
    Kind("servingruntime", "", serving_runtime),
    Kind("inferenceservice", "", inference_service),
)
