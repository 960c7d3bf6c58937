"""The metrics port as Prometheus reads it, with the parser of its client and stricter checks."""

from __future__ import annotations

import re
from urllib.request import urlopen

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]
_LABEL = r'[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*"'
_LINE = re.compile(
    rf"(?:# HELP [a-zA-Z_:][\w:]* (?:[^\\]|\\[\\n])*|# TYPE [a-zA-Z_:][\w:]* (?:counter|gauge|histogram|summary)"
    rf"|[a-zA-Z_:][\w:]*(?:\{{{_LABEL}(?:,{_LABEL})*\}})? [-+]?(?:[\d.]+(?:e[-+]?\d+)?|Inf)|)"
)
"""The text format, version 0.0.4, as far as Triton uses it; the parser accepts more."""


def page(address: str) -> str:
    """The metrics page at ``ADDRESS:PORT``."""
    with urlopen(f"http://{address}/metrics", timeout=60) as response:
        return str(response.read().decode())


def families(address: str) -> dict[str, Metric]:
    """Every family by name; fails if the page breaks the format, or has a family or a sample twice."""
    text = page(address)
    assert [line for line in text.split("\n") if not _LINE.fullmatch(line)] == []
    found: dict[str, Metric] = {}
    for family in text_string_to_metric_families(text):
        assert family.name not in found, f"{family.name} comes twice"
        assert family.type != "unknown", f"{family.name} has no type, or stands in another family"
        samples = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert len(samples) == len(set(samples)), f"{family.name} has a sample twice"
        found[family.name] = family
    return found


def values(address: str, name: str) -> dict[Labels, float]:
    """The values of the samples of that name, by their sorted labels; empty without such a sample."""
    samples = [sample for family in families(address).values() for sample in family.samples]
    names = (name, f"{name}_total")  # so the parser calls a counter's
    return {tuple(sorted(sample.labels.items())): sample.value for sample in samples if sample.name in names}


def workers(address: str, model: str, version: int = 1) -> int:
    """The number of the model's live workers."""
    return int(value(address, "pytriton_workers", model=model, version=str(version)) or 0)


def value(address: str, name: str, **labels: str) -> float | None:
    """The value of one sample; None without the sample."""
    return values(address, name).get(tuple(sorted(labels.items())))
