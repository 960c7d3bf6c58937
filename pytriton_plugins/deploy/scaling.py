"""The metric by which replicas are added and removed."""

from __future__ import annotations

from typing import Any

IN_FLIGHT = "pytriton_requests_in_flight"
"""The autoscaler's name of the metric; Prometheus' adapter derives it from ``REQUESTS`` by `adapter_rule`."""

REQUESTS = 'sum by (namespace, pod) ({{__name__=~"{names}", {selector}}})'
"""PromQL: the unanswered requests of each pod.

They wait in Triton's queue, wait for a worker, or run; each of the three metrics counts those of one model.
"""

_NAMES = ("nv_inference_pending_request_count", "pytriton_queued_requests", "pytriton_running_requests")


def requests_per_pod(namespace: str, selector: str = "") -> str:
    """PromQL for the mean number of requests of the pods that the selector leaves in the namespace.

    ``selector``: more label matchers, such as ``pod=~"models-.*"``. A HorizontalPodAutoscaler uses ``type: Value``,
    for the value is already a mean.
    """
    matchers = ", ".join(filter(None, [f'namespace="{namespace}"', selector]))
    return f"avg({REQUESTS.format(names='|'.join(_NAMES), selector=matchers)})"


def adapter_rule() -> dict[str, Any]:
    """The rule by which Prometheus' adapter serves ``IN_FLIGHT`` of each pod to the autoscaler."""
    matchers = "<<.LabelMatchers>>"
    query = REQUESTS.format(names="|".join(_NAMES), selector=matchers)
    return {
        "seriesQuery": f'{_NAMES[-1]}{{namespace!="",pod!=""}}',
        "resources": {"overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}},
        "name": {"as": IN_FLIGHT},
        "metricsQuery": query.replace("namespace, pod", "<<.GroupBy>>"),
    }
