"""Every value of the manifests that an operator may change, as a plan has it; runs in the called process."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from pytriton_plugins.config_file import FILE_NAME
from pytriton_plugins.deploy.manifests.knobs import SIZE, Knob, changed, items, mapping, switch, text, whole
from pytriton_plugins.deploy.manifests.plan import Plan
from pytriton_plugins.deploy.manifests.sizing import quantity, total

CLIENT_SHM = 1 << 30
"""Bytes of the clients' own shared memory in a pod, unless the operator says how many."""

_QUEUE = 2
"""Requests that run or wait for each worker before another replica is worth it."""


def choices(plan: Plan, settings: Iterable[str] = ()) -> list[Knob]:
    """In the order in which the chart shows them, changed by ``settings`` (``NAME=VALUE`` each).

    The memory in ``resources`` follows the other values, unless it is set itself.
    """
    knobs = [*_image(plan), *_serving(plan), *_scaling(plan), *_network(), _resources(plan, {}), *_pod()]
    values = {knob.name: knob.default for knob in changed(knobs, settings)}
    knobs = [_resources(plan, values) if knob.name == "resources" else knob for knob in knobs]
    return changed(knobs, settings)


def _image(plan: Plan) -> list[Knob]:
    name, _, tag = plan.image.rpartition(":")
    if not name or "/" in tag or "@" in plan.image:
        name, tag = plan.image, ""
    return [
        text(
            "image.repository", name, "The image that `pytriton-host image` describes; with @sha256:… leave tag empty."
        ),
        text("image.tag", tag, "Its tag."),
        text(
            "image.pullPolicy",
            "IfNotPresent",
            "When it is pulled: Always, IfNotPresent or Never.",
            enum=["Always", "IfNotPresent", "Never"],
        ),
        items("imagePullSecrets", [], "Secrets for the registry, each {name: …}."),
    ]


def _serving(plan: Plan) -> list[Knob]:
    variables = [{"name": name, "value": value} for name, value in plan.variables]
    return [
        text("config", plan.config_text, f"The daemon's {FILE_NAME}, which becomes a ConfigMap; empty: none."),
        items("env", variables, "Further variables of the container: PYTRITON_HOST_… or the plugins' own."),
        text(
            "sharedMemory.total",
            quantity(plan.shm_total),
            "Shared memory of all models together (--shm-total); it is part of the memory in resources.",
            pattern=SIZE["pattern"],
        ),
        switch(
            "clientSharedMemory.enabled",
            plan.client_shm,
            "A /dev/shm for clients in the same pod that send tensors through Triton's system shared memory; the "
            "daemon needs `--allow shared-memory` as well.",
        ),
        text(
            "clientSharedMemory.size",
            quantity(CLIENT_SHM),
            "Its size; it is part of the memory in resources.",
            pattern=SIZE["pattern"],
        ),
        whole("drainDelay", math.ceil(plan.drain_delay), "Seconds that a pod serves on when it is to stop."),
        whole("drainTimeout", math.ceil(plan.drain_timeout), "Seconds that requests in flight may take then."),
        whole(
            "gracePeriod",
            plan.grace_period,
            "Seconds until the kubelet kills: at least drainDelay + drainTimeout + 3, and 2 for the kubelet itself.",
            least=1,
        ),
        whole(
            "startupSeconds",
            plan.startup,
            "How long a start may take until every required model serves: --import-timeout and twice --load-timeout.",
            least=1,
        ),
    ]


def _scaling(plan: Plan) -> list[Knob]:
    return [
        whole("replicas", 2, "Replicas; with autoscaling the autoscaler's business."),
        switch(
            "autoscaling.enabled", True, "A HorizontalPodAutoscaler by the requests that run or wait in each replica."
        ),
        whole("autoscaling.minReplicas", 2, "Never fewer.", least=1),
        whole("autoscaling.maxReplicas", 6, "Never more.", least=1),
        whole(
            "autoscaling.requestsPerReplica",
            max(1, _QUEUE * plan.workers),
            "Requests that run or wait in each replica on average: above, replicas are added. Two for each worker.",
            least=1,
        ),
        switch("podDisruptionBudget.enabled", True, "A PodDisruptionBudget: drained nodes take one replica at a time."),
        whole("podDisruptionBudget.maxUnavailable", 1, "Replicas that may be away at once.", least=1),
        switch(
            "podMonitor.enabled", True, "A PodMonitor for the Prometheus operator, whose definitions must be there."
        ),
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
            "Who may send requests; the default is every pod of the namespace. An ingress elsewhere must be added.",
        ),
        items(
            "networkPolicy.monitoring",
            [{"namespaceSelector": {}}],
            "Who may read the metrics; the default is every pod of the cluster.",
        ),
    ]


def _resources(plan: Plan, values: Mapping[str, Any]) -> Knob:
    memory = quantity(total(plan, values)) if values else ""
    default: dict[str, Any] = {
        "requests": {"cpu": str(max(1, plan.workers)), "memory": memory},
        "limits": {"memory": memory},
    }
    return mapping(
        "resources",
        default,
        "Memory: daemon, tritonserver, workers and shared memory together, as `pytriton-host manifests` shows. "
        "A GPU: limits: {nvidia.com/gpu: 1}.",
    )


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
