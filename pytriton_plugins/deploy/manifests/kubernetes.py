"""The Kubernetes objects, with values or as templates of the chart."""

from __future__ import annotations

from typing import Any, Protocol

import attrs

from pytriton_plugins.config.file import FILE_NAME
from pytriton_plugins.deploy.manifests.plan import DeploymentPlan
from pytriton_plugins.deploy.manifests.pod import pod_spec
from pytriton_plugins.deploy.manifests.values import Values
from pytriton_plugins.deploy.scaling import IN_FLIGHT

Manifest = dict[str, Any]

DIGEST = "pytriton-plugins/config"
"""The annotation that changes with the configuration."""


class ManifestMaker(Protocol):
    """Makes one object for a plan, from values or templates."""

    def __call__(self, plan: DeploymentPlan, values: Values, /) -> Manifest: ...


@attrs.frozen
class Kind:
    """One object: its file, the condition on which it exists (empty: always), and its maker."""

    file: str
    condition: str
    make: ManifestMaker


def _object(values: Values, api: str, kind: str, suffix: str = "", **rest: Any) -> Manifest:
    metadata = {"name": f"{values.name}{suffix}", "labels": values.labels}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def config_map(plan: DeploymentPlan, values: Values) -> Manifest:
    return _object(values, "v1", "ConfigMap", data={FILE_NAME: values.literal("config")})


def deployment(plan: DeploymentPlan, values: Values) -> Manifest:
    spread = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": values.selector},
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]
    pod = pod_spec(plan, values, values.name)
    template = {
        "metadata": {
            # Pods are replaced when the configuration changes.
            "annotations": {DIGEST: values.digest("config"), **values.spread("podAnnotations")},
            "labels": values.labels_and("podLabels"),
        },
        "spec": {**pod, "topologySpreadConstraints": spread},
    }
    spec = {
        **values.entries("!autoscaling.enabled", {"replicas": values["replicas"]}),
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "selector": {"matchLabels": values.selector},
        "template": template,
    }
    return _object(values, "apps/v1", "Deployment", spec=spec)


def service(plan: DeploymentPlan, values: Values) -> Manifest:
    ports = [
        {"name": "http", "port": plan.ports.http, "targetPort": "http", "appProtocol": "http"},
        {"name": "grpc", "port": plan.ports.grpc, "targetPort": "grpc", "appProtocol": "kubernetes.io/h2c"},
    ]
    manifest = _object(values, "v1", "Service", spec={"type": "ClusterIP", "selector": values.selector, "ports": ports})
    manifest["metadata"] |= values.entries("serviceAnnotations", {"annotations": values["serviceAnnotations"]})
    return manifest


def headless_service(plan: DeploymentPlan, values: Values) -> Manifest:
    """For gRPC clients that balance by themselves: its name resolves to the addresses of all ready replicas."""
    ports = [{"name": "grpc", "port": plan.ports.grpc, "targetPort": "grpc", "appProtocol": "kubernetes.io/h2c"}]
    spec = {"clusterIP": "None", "selector": values.selector, "ports": ports}
    return _object(values, "v1", "Service", "-grpc", spec=spec)


def disruption_budget(plan: DeploymentPlan, values: Values) -> Manifest:
    spec = {
        "maxUnavailable": values["podDisruptionBudget.maxUnavailable"],
        # A pod that is not ready serves no requests, so it must not delay the drain of a node.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": values.selector},
    }
    return _object(values, "policy/v1", "PodDisruptionBudget", spec=spec)


def autoscaler(plan: DeploymentPlan, values: Values) -> Manifest:
    share = {"type": "Utilization", "averageUtilization": values["autoscaling.cpuUtilization"]}
    average = {"type": "AverageValue", "averageValue": values.text("autoscaling.requestsPerReplica")}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": values.name},
        "minReplicas": values["autoscaling.minReplicas"],
        "maxReplicas": values["autoscaling.maxReplicas"],
        "metrics": [
            *values.items(
                "autoscaling.metric=cpu", [{"type": "Resource", "resource": {"name": "cpu", "target": share}}]
            ),
            *values.items(
                "autoscaling.metric=requests",
                [{"type": "Pods", "pods": {"metric": {"name": IN_FLIGHT}, "target": average}}],
            ),
        ],
        # Up at once, down slowly: a start may take longer than a pause in the traffic.
        "behavior": {
            "scaleUp": {"stabilizationWindowSeconds": 0},
            "scaleDown": {
                "stabilizationWindowSeconds": 300,
                "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
            },
        },
    }
    return _object(values, "autoscaling/v2", "HorizontalPodAutoscaler", spec=spec)


def pod_monitor(plan: DeploymentPlan, values: Values) -> Manifest:
    spec = {
        "selector": {"matchLabels": values.selector},
        "podMetricsEndpoints": [{"port": "metrics", "path": "/metrics", "interval": values["podMonitor.interval"]}],
    }
    manifest = _object(values, "monitoring.coreos.com/v1", "PodMonitor", spec=spec)
    manifest["metadata"]["labels"] = values.labels_and("podMonitor.labels")
    return manifest


def network_policy(plan: DeploymentPlan, values: Values) -> Manifest:
    def open_to(peers: str, *ports: str) -> list[Any]:
        # An empty list would allow all peers.
        rule = {"from": values[peers], "ports": [{"protocol": "TCP", "port": port} for port in ports]}
        return values.items(peers, [rule])

    spec = {
        "podSelector": {"matchLabels": values.selector},
        "policyTypes": ["Ingress"],
        "ingress": [
            *open_to("networkPolicy.clients", "http", "grpc"),
            *open_to("networkPolicy.monitoring", "metrics"),
        ],
    }
    return _object(values, "networking.k8s.io/v1", "NetworkPolicy", spec=spec)


KINDS = (
    Kind("configmap", "config", config_map),
    Kind("deployment", "", deployment),
    Kind("service", "", service),
    Kind("service-grpc", "", headless_service),
    Kind("poddisruptionbudget", "podDisruptionBudget.enabled", disruption_budget),
    Kind("horizontalpodautoscaler", "autoscaling.enabled", autoscaler),
    Kind("podmonitor", "podMonitor.enabled", pod_monitor),
    Kind("networkpolicy", "networkPolicy.enabled", network_policy),
)
