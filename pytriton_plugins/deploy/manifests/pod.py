"""The pod of every form of deployment: a container, its probes, memory and rights."""

from __future__ import annotations

from typing import Any

from pytriton_plugins.config.file import FILE_NAME
from pytriton_plugins.deploy.common import GROUP, USER
from pytriton_plugins.deploy.manifests.plan import DeploymentPlan
from pytriton_plugins.deploy.manifests.sizing import TMP
from pytriton_plugins.deploy.manifests.values import Values

RIGHTS = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
"""The security context of a container."""

CONFIG_FOLDER = "/etc/pytriton-host"
_PROBE_INTERVAL = 2
"""Seconds between two startup or readiness probes."""


def container(plan: DeploymentPlan, values: Values, name: str = "pytriton-host") -> dict[str, Any]:
    """The container; its ports are named after their protocols."""
    of_replica = {"memory": values.memory(), "ephemeral-storage": values.storage()}
    return {
        "name": name,
        "image": values.image,
        "imagePullPolicy": values["image.pullPolicy"],
        "args": ["serve"],
        "env": _environment(plan, values),
        "ports": [
            {"name": "http", "containerPort": plan.ports.http},
            {"name": "grpc", "containerPort": plan.ports.grpc},
            {"name": "metrics", "containerPort": plan.ports.metrics},
        ],
        "resources": {
            "requests": {"cpu": values["resources.cpu"], **of_replica},
            "limits": {**of_replica, **values.spread("resources.limits")},
        },
        **_probes(values),
        "securityContext": RIGHTS,
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            *values.items("config", [{"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True}]),
            *values.items("clientSharedMemory.enabled", [{"name": "shm", "mountPath": "/dev/shm"}]),
            *values.spread_items("extraVolumeMounts"),
        ],
    }


def _environment(plan: DeploymentPlan, values: Values) -> list[Any]:
    def variable(name: str, value: str) -> dict[str, Any]:
        return {"name": name, "value": value}

    def resource(name: str, key: str) -> dict[str, Any]:
        return {"name": name, "valueFrom": {"resourceFieldRef": {"resource": key}}}

    return [
        variable("PYTRITON_HOST_ADDRESS", "0.0.0.0"),
        # Fixed, for the Services have the same numbers.
        variable("PYTRITON_HOST_HTTP_PORT", str(plan.ports.http)),
        variable("PYTRITON_HOST_GRPC_PORT", str(plan.ports.grpc)),
        variable("PYTRITON_HOST_METRICS_PORT", str(plan.ports.metrics)),
        variable("PYTRITON_HOST_DRAIN_DELAY", values.text("drainDelay")),
        variable("PYTRITON_HOST_DRAIN_TIMEOUT", values.text("drainTimeout")),
        variable("PYTRITON_HOST_GRACE_PERIOD", values.text("gracePeriod")),
        variable("PYTRITON_HOST_SHM_TOTAL", values["sharedMemory.total"]),
        resource("POD_MEMORY_LIMIT", "limits.memory"),
        *(variable(name, value) for name, value in plan.variables),
        *values.items("config", [variable("PYTRITON_HOST_CONFIG", f"{CONFIG_FOLDER}/{FILE_NAME}")]),
        *values.spread_items("env"),
    ]


def _probes(values: Values) -> dict[str, Any]:
    """Lenient if a failure kills the pod, exact if it only removes the pod from the endpoints."""
    ready, live = ({"path": f"/v2/health/{which}", "port": "http"} for which in ("ready", "live"))
    return {
        "startupProbe": {
            "httpGet": ready,
            "periodSeconds": _PROBE_INTERVAL,
            "timeoutSeconds": 2,
            "failureThreshold": values.number("startupSeconds", _PROBE_INTERVAL),
        },
        "readinessProbe": {
            "httpGet": ready,
            "periodSeconds": _PROBE_INTERVAL,
            "timeoutSeconds": 2,
            "failureThreshold": 1,
        },
        "livenessProbe": {"httpGet": live, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3},
    }


def volumes(values: Values, config_map: str) -> list[Any]:
    """The volumes of the container; files in memory count towards its limit."""
    return [
        {"name": "tmp", "emptyDir": {"sizeLimit": values[TMP]}},
        *values.items("config", [{"name": "config", "configMap": {"name": config_map}}]),
        *values.items(
            "clientSharedMemory.enabled",
            [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": values["clientSharedMemory.size"]}}],
        ),
        *values.spread_items("extraVolumes"),
    ]


def pod_spec(
    plan: DeploymentPlan, values: Values, config_map: str, container_name: str = "pytriton-host"
) -> dict[str, Any]:
    """The pod without its labels."""
    return {
        "terminationGracePeriodSeconds": values["gracePeriod"],
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "serviceAccountName": values["serviceAccountName"],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": GROUP,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **if_set(values, "priorityClassName", "imagePullSecrets", "nodeSelector", "tolerations", "affinity"),
        "containers": [container(plan, values, container_name)],
        "volumes": volumes(values, config_map),
    }


def if_set(values: Values, *names: str) -> dict[str, Any]:
    """Keys with the names of values, left out if the value is empty."""
    return {key: value for name in names for key, value in values.entries(name, {name: values[name]}).items()}
