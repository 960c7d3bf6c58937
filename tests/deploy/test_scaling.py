"""The autoscaler's query as text; tests/cluster runs it in a real Prometheus."""

from __future__ import annotations

from pytriton_plugins.deploy.scaling import requests_per_pod
from tests.support.docs.blocks import ROOT

WHOLE = (
    "avg(sum by (namespace, pod) ({__name__=~"
    '"nv_inference_pending_request_count|pytriton_queued_requests|pytriton_running_requests", namespace="here"}))'
)


def test_all_pods_of_a_namespace() -> None:
    assert requests_per_pod("here") == WHOLE


def test_more_matchers() -> None:
    assert requests_per_pod("here", 'pod=~"a-.*"') == WHOLE.replace('"here"', '"here", pod=~"a-.*"')


def test_the_page_has_it() -> None:
    page = (ROOT / "docs/how-to/deploy-in-clusters.md").read_text()
    assert page.count(requests_per_pod("models", 'pod=~"models-.*"')) == 1
