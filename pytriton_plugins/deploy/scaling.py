"""The metric by which replicas are added and taken away; runs wherever manifests are made."""

from __future__ import annotations

from typing import Any

IN_FLIGHT = "pytriton_requests_in_flight"
"""What the autoscaler calls them; Prometheus' adapter makes this metric of ``REQUESTS`` by `adapter_rule`."""

REQUESTS = 'sum by (namespace, pod) ({{__name__=~"{names}", {selector}}})'
"""PromQL: the requests that each pod has and has not answered yet.

They wait in Triton's queue, wait for a worker, or run, and each of the three metrics counts those of one model.
"""

_NAMES = ("nv_inference_pending_request_count", "pytriton_queued_requests", "pytriton_running_requests")


def requests_per_pod(namespace: str, selector: str = "") -> str:
    """PromQL for the mean, over the pods of the namespace that the selector leaves, of the requests that each has.

    ``selector``: more matchers of labels, such as ``pod=~"models-.*"``. A HorizontalPodAutoscaler takes the value
    beside its target as it is (``type: Value``), for it is a mean already.
    """
    matchers = ", ".join(filter(None, [f'namespace="{namespace}"', selector]))
    return f"avg({REQUESTS.format(names='|'.join(_NAMES), selector=matchers)})"


def adapter_rule() -> dict[str, Any]:
    """The rule by which Prometheus' adapter gives the autoscaler ``IN_FLIGHT`` of each pod."""
    matchers = "<<.LabelMatchers>>"
    query = REQUESTS.format(names="|".join(_NAMES), selector=matchers)
    return {
        "seriesQuery": f'{_NAMES[-1]}{{namespace!="",pod!=""}}',
        "resources": {"overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}},
        "name": {"as": IN_FLIGHT},
        "metricsQuery": query.replace("namespace, pod", "<<.GroupBy>>"),
    }
