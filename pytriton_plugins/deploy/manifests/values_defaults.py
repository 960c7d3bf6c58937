"""The values of the manifests that an operator may change, with the defaults of a plan."""

from __future__ import annotations

import math
from typing import Any

from pytriton_plugins.config.file import FILE_NAME
from pytriton_plugins.deploy.manifests.plan import DeploymentPlan
from pytriton_plugins.deploy.manifests.sizing import (
    CLIENT_SHM,
    CLIENTS,
    HAS_CLIENTS,
    PROCESSES,
    SHARED,
    TMP,
    of_processes,
    quantity,
)
from pytriton_plugins.deploy.manifests.values_schema import SIZE, ValueSpec, boolean, integer, items, mapping, text

_REQUESTS_PER_WORKER = 2
"""Running and waiting requests of each worker above which a replica is added."""


def default_specs(plan: DeploymentPlan) -> list[ValueSpec]:
    """The values in the order of the chart."""
    return [*_image(plan), *_serving(plan), *_memory(plan), *_stopping(plan), *_scaling(plan), *_network(), *_pod()]


def _image(plan: DeploymentPlan) -> list[ValueSpec]:
    name, _, tag = plan.image.rpartition(":")
    if not name or "/" in tag or "@" in plan.image:
        name, tag = plan.image, ""
    return [
        text(
            "image.repository", name, "The image that `pytriton-host image` describes; with @sha256:… leave tag empty."
        ),
        text("image.tag", tag, "The image's tag, in quotes."),
        text(
            "image.pullPolicy",
            "IfNotPresent",
            "When the image is pulled: Always, IfNotPresent or Never.",
            enum=["Always", "IfNotPresent", "Never"],
        ),
        items("imagePullSecrets", [], "Secrets for the registry, each {name: …}."),
    ]


def _serving(plan: DeploymentPlan) -> list[ValueSpec]:
    return [
        text("config", plan.config_text, f"The daemon's {FILE_NAME}, which becomes a ConfigMap; empty: none."),
        items("env", [], "Further variables of the container: PYTRITON_HOST_… or the plugins' own."),
        integer(
            "startupSeconds",
            plan.startup,
            "Longest start until every required model serves: --import-timeout and twice --load-timeout.",
            minimum=2,
        ),
        text(
            TMP,
            "1Gi",
            "Limit of /tmp, the home of plugins; above, the pod is evicted. With 256Mi for the log it is the pod's "
            "ephemeral storage, both request and limit.",
            pattern=SIZE,
        ),
    ]


def _memory(plan: DeploymentPlan) -> list[ValueSpec]:
    """The values whose sum is the memory of a replica, its request and its limit."""
    return [
        text(
            PROCESSES,
            quantity(of_processes(plan)),
            "Memory of daemon, tritonserver and all workers, weights included; the shared memory below is added.",
            pattern=SIZE,
        ),
        text("resources.cpu", str(max(1, plan.workers)), "Requested processors; they are not limited."),
        mapping("resources.limits", {}, "Further limits, such as {nvidia.com/gpu: 1}."),
        text(SHARED, quantity(plan.shm_total), "Shared memory of all models together (--shm-total).", pattern=SIZE),
        boolean(
            HAS_CLIENTS,
            plan.client_shm,
            "A /dev/shm for clients in the same pod that send tensors through Triton's system shared memory; the "
            "daemon also needs `--allow shared-memory`.",
        ),
        text(CLIENTS, quantity(CLIENT_SHM), "Size of that /dev/shm.", pattern=SIZE),
    ]


def _stopping(plan: DeploymentPlan) -> list[ValueSpec]:
    return [
        integer("drainDelay", math.ceil(plan.drain_delay), "Seconds for which a stopping pod accepts requests."),
        integer("drainTimeout", math.ceil(plan.drain_timeout), "Seconds for requests in flight after that."),
        integer(
            "gracePeriod",
            plan.grace_period,
            "Seconds until the kubelet sends SIGKILL: at least drainDelay + drainTimeout + 3, and 2 for the kubelet.",
            minimum=1,
        ),
    ]


def _scaling(plan: DeploymentPlan) -> list[ValueSpec]:
    return [
        integer("replicas", 2, "Number of replicas; not used with autoscaling."),
        boolean(
            "autoscaling.enabled",
            True,
            "A HorizontalPodAutoscaler, which uses the metric of autoscaling.metric.",
        ),
        text(
            "autoscaling.metric",
            "cpu",
            "cpu: processor time, which needs the metrics server; requests: running and waiting requests of each "
            "replica, which needs Prometheus and its adapter with our rule.",
            enum=["cpu", "requests"],
        ),
        integer(
            "autoscaling.cpuUtilization",
            80,
            "With cpu: mean per cent of the requested processors; above, replicas are added.",
            minimum=1,
        ),
        integer("autoscaling.minReplicas", 2, "Fewest replicas.", minimum=1),
        integer("autoscaling.maxReplicas", 6, "Most replicas.", minimum=1),
        integer(
            "autoscaling.requestsPerReplica",
            max(1, _REQUESTS_PER_WORKER * plan.workers),
            "With requests: mean number of running and waiting requests of each replica; above, replicas are added. "
            "Two for each worker.",
            minimum=1,
        ),
        boolean("podDisruptionBudget.enabled", True, "A PodDisruptionBudget: node drains stop one replica at a time."),
        integer("podDisruptionBudget.maxUnavailable", 1, "Replicas that may be unavailable at once.", minimum=1),
        boolean("podMonitor.enabled", False, "A PodMonitor, which needs the Prometheus operator in the cluster."),
        text("podMonitor.interval", "10s", "Interval of the scrapes of each replica.", pattern="^[0-9]+(ms|s|m)$"),
        mapping(
            "podMonitor.labels",
            {},
            "Labels by which the operator finds the PodMonitor, such as {release: prometheus}.",
        ),
    ]


def _network() -> list[ValueSpec]:
    anywhere: dict[str, Any] = {"podSelector": {}}
    return [
        mapping("serviceAnnotations", {}, "Annotations of the Service."),
        boolean("networkPolicy.enabled", True, "A NetworkPolicy, which limits access to the ports."),
        items(
            "networkPolicy.clients",
            [anywhere],
            "Peers that may send requests: by default every pod of the namespace.",
        ),
        items(
            "networkPolicy.monitoring",
            [{"namespaceSelector": {}}],
            "Peers that may read the metrics: by default every pod of the cluster.",
        ),
    ]


def _pod() -> list[ValueSpec]:
    return [
        mapping("podAnnotations", {}, "Further annotations of the pods."),
        mapping("podLabels", {}, "Further labels of the pods."),
        mapping("nodeSelector", {}, "Labels of the nodes that may run the pods."),
        items("tolerations", [], "Taints that the pods tolerate."),
        mapping("affinity", {}, "Affinity beside the spread over nodes and zones."),
        text("priorityClassName", "", "Priority class of the pods."),
        text("serviceAccountName", "default", "Service account of the pods; its token is not mounted."),
        items("extraVolumes", [], "Further volumes of the pods, for example with weights."),
        items("extraVolumeMounts", [], "Mounts of these volumes in the container."),
    ]
