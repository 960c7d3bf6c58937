"""Every value of the manifests that an operator may change, as a plan has it; runs in the called process."""

from __future__ import annotations

import math
from typing import Any

from pytriton_plugins.config.file import FILE_NAME
from pytriton_plugins.deploy.manifests.plan import Plan
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
from pytriton_plugins.deploy.manifests.values_schema import SIZE, Knob, items, mapping, switch, text, whole

_QUEUE = 2
"""Requests that run or wait for each worker before another replica is worth it."""


def choices(plan: Plan) -> list[Knob]:
    """In the order in which the chart shows them."""
    return [*_image(plan), *_serving(plan), *_memory(plan), *_stopping(plan), *_scaling(plan), *_network(), *_pod()]


def _image(plan: Plan) -> list[Knob]:
    name, _, tag = plan.image.rpartition(":")
    if not name or "/" in tag or "@" in plan.image:
        name, tag = plan.image, ""
    return [
        text(
            "image.repository", name, "The image that `pytriton-host image` describes; with @sha256:… leave tag empty."
        ),
        text("image.tag", tag, "Its tag, in quotes."),
        text(
            "image.pullPolicy",
            "IfNotPresent",
            "When it is pulled: Always, IfNotPresent or Never.",
            enum=["Always", "IfNotPresent", "Never"],
        ),
        items("imagePullSecrets", [], "Secrets for the registry, each {name: …}."),
    ]


def _serving(plan: Plan) -> list[Knob]:
    return [
        text("config", plan.config_text, f"The daemon's {FILE_NAME}, which becomes a ConfigMap; empty: none."),
        items("env", [], "Further variables of the container: PYTRITON_HOST_… or the plugins' own."),
        whole(
            "startupSeconds",
            plan.startup,
            "How long a start may take until every required model serves: --import-timeout and twice --load-timeout.",
            least=2,
        ),
        text(
            TMP,
            "1Gi",
            "What plugins may write to /tmp, their home: more and the pod is evicted. With 256Mi for the log it is the "
            "pod's ephemeral storage, both requested and allowed.",
            pattern=SIZE,
        ),
    ]


def _memory(plan: Plan) -> list[Knob]:
    """Their sum is the memory of a replica, both asked for and allowed."""
    return [
        text(
            PROCESSES,
            quantity(of_processes(plan)),
            "Memory of daemon, tritonserver and all workers, weights included; the shared memory below comes on top.",
            pattern=SIZE,
        ),
        text("resources.cpu", str(max(1, plan.workers)), "Processors that are asked for; there is no limit on them."),
        mapping("resources.limits", {}, "Further limits, such as {nvidia.com/gpu: 1}."),
        text(SHARED, quantity(plan.shm_total), "Shared memory of all models together (--shm-total).", pattern=SIZE),
        switch(
            HAS_CLIENTS,
            plan.client_shm,
            "A /dev/shm for clients in the same pod that send tensors through Triton's system shared memory; the "
            "daemon needs `--allow shared-memory` as well.",
        ),
        text(CLIENTS, quantity(CLIENT_SHM), "Its size.", pattern=SIZE),
    ]


def _stopping(plan: Plan) -> list[Knob]:
    return [
        whole("drainDelay", math.ceil(plan.drain_delay), "Seconds that a pod serves on when it is to stop."),
        whole("drainTimeout", math.ceil(plan.drain_timeout), "Seconds that requests in flight may take then."),
        whole(
            "gracePeriod",
            plan.grace_period,
            "Seconds until the kubelet kills: at least drainDelay + drainTimeout + 3, and 2 for the kubelet itself.",
            least=1,
        ),
    ]


def _scaling(plan: Plan) -> list[Knob]:
    return [
        whole("replicas", 2, "Replicas; with autoscaling the autoscaler's business."),
        switch(
            "autoscaling.enabled",
            True,
            "A HorizontalPodAutoscaler; by processor time, unless autoscaling.metric names another measure.",
        ),
        text(
            "autoscaling.metric",
            "cpu",
            "cpu: processor time, which needs the metrics server; requests: those that run or wait in each replica, "
            "which needs Prometheus and its adapter with our rule.",
            enum=["cpu", "requests"],
        ),
        whole(
            "autoscaling.cpuUtilization",
            80,
            "With cpu: per cent of the requested processors on average; above, replicas are added.",
            least=1,
        ),
        whole("autoscaling.minReplicas", 2, "Never fewer.", least=1),
        whole("autoscaling.maxReplicas", 6, "Never more.", least=1),
        whole(
            "autoscaling.requestsPerReplica",
            max(1, _QUEUE * plan.workers),
            "With requests: how many run or wait in each replica on average; above, replicas are added. "
            "Two for each worker.",
            least=1,
        ),
        switch("podDisruptionBudget.enabled", True, "A PodDisruptionBudget: drained nodes take one replica at a time."),
        whole("podDisruptionBudget.maxUnavailable", 1, "Replicas that may be away at once.", least=1),
        switch("podMonitor.enabled", False, "A PodMonitor; the Prometheus operator must be in the cluster first."),
        text("podMonitor.interval", "10s", "How often each replica is scraped.", pattern="^[0-9]+(ms|s|m)$"),
        mapping("podMonitor.labels", {}, "Labels by which the operator finds it, such as {release: prometheus}."),
    ]


def _network() -> list[Knob]:
    anywhere: dict[str, Any] = {"podSelector": {}}
    return [
        mapping("serviceAnnotations", {}, "Annotations of the Service."),
        switch("networkPolicy.enabled", True, "A NetworkPolicy: who may reach which port."),
        items(
            "networkPolicy.clients",
            [anywhere],
            "Who may send requests: every pod of the namespace, or who is named, such as an ingress elsewhere.",
        ),
        items(
            "networkPolicy.monitoring",
            [{"namespaceSelector": {}}],
            "Who may read the metrics: every pod of the cluster, unless others are named.",
        ),
    ]


def _pod() -> list[Knob]:
    return [
        mapping("podAnnotations", {}, "Further annotations of the pods."),
        mapping("podLabels", {}, "Further labels of the pods."),
        mapping("nodeSelector", {}, "Nodes that may run them."),
        items("tolerations", [], "Taints that they tolerate."),
        mapping("affinity", {}, "Affinity beside the spread over nodes and zones."),
        text("priorityClassName", "", "Their priority class."),
        text("serviceAccountName", "default", "Their service account, whose token is not mounted."),
        items("extraVolumes", [], "Further volumes, for example with weights."),
        items("extraVolumeMounts", [], "Where the container sees them."),
    ]
