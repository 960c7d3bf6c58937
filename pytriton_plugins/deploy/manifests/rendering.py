"""The plain objects with their values, one file each."""

from __future__ import annotations

from collections.abc import Iterable

from pytriton_plugins.config.host_config import check_drain
from pytriton_plugins.deploy.manifests.kubernetes import Kind
from pytriton_plugins.deploy.manifests.plan import DeploymentPlan
from pytriton_plugins.deploy.manifests.sizing import SHARED, quantity, size_of
from pytriton_plugins.deploy.manifests.values import Rendered
from pytriton_plugins.deploy.manifests.values_schema import ValueSpec
from pytriton_plugins.deploy.manifests.yaml_text import dump
from pytriton_plugins.errors import ConfigError
from pytriton_plugins.values import Drain


def check(plan: DeploymentPlan, values: Rendered) -> None:
    """ConfigError for values that contradict each other; the chart has the same checks."""
    drain = Drain(values["drainDelay"], values["drainTimeout"], values["gracePeriod"])
    check_drain(drain, "raise --grace-period or --set gracePeriod")
    minimum, maximum = values["autoscaling.minReplicas"], values["autoscaling.maxReplicas"]
    if minimum > maximum:
        raise ConfigError(
            f"autoscaling.minReplicas ({minimum}) is more than autoscaling.maxReplicas ({maximum}); "
            "raise --set autoscaling.maxReplicas"
        )
    shared = values[SHARED]
    if size_of(shared) < plan.shm_initial:
        raise ConfigError(
            f"{SHARED} ({shared}) is less than the models need at the start ({quantity(plan.shm_initial)}); raise "
            "--shm-total or lower --shm-initial"
        )


def rendered(
    kinds: Iterable[Kind], plan: DeploymentPlan, specs: Iterable[ValueSpec], name: str, version: str
) -> dict[str, str]:
    """The text of each object whose condition holds, by the name of its file; ``version`` is the framework's."""
    values = Rendered(name, {spec.name: spec.default for spec in specs}, version)
    check(plan, values)
    enabled = [kind for kind in kinds if not kind.condition or values.is_on(kind.condition)]
    return {f"{kind.file}.yaml": dump(kind.make(plan, values)) for kind in enabled}
