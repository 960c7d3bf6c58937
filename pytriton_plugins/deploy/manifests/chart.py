"""The Helm chart: the same objects as templates, with documented values, their schema and a test."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from packaging.version import InvalidVersion, Version

from pytriton_plugins.config.host_config import END_SECONDS
from pytriton_plugins.config.readers import MIB
from pytriton_plugins.deploy.common import GROUP, USER
from pytriton_plugins.deploy.manifests.kubernetes import KINDS
from pytriton_plugins.deploy.manifests.plan import DeploymentPlan
from pytriton_plugins.deploy.manifests.pod import RIGHTS, if_set
from pytriton_plugins.deploy.manifests.sizing import LOG
from pytriton_plugins.deploy.manifests.values import Templated
from pytriton_plugins.deploy.manifests.values_schema import ValueSpec, items, text, tree
from pytriton_plugins.deploy.manifests.yaml_text import dump, template

_HELPERS = """\
{{- define "pytriton.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 48 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "pytriton.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pytriton.version" -}}
{{ .Values.image.tag | default .Chart.AppVersion | replace "+" "_" | trunc 63 | trimAll "-_." }}
{{- end -}}

{{- define "pytriton.about" -}}
app.kubernetes.io/version: {{ include "pytriton.version" . | quote }}
app.kubernetes.io/part-of: pytriton-plugins
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "pytriton.labels" -}}
{{ include "pytriton.selector" . }}
{{ include "pytriton.about" . }}
{{- end -}}

{{- define "pytriton.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.tag }}:{{ . }}{{ end }}
{{- end -}}

{{- define "pytriton.mib" -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- if hasSuffix "Gi" . }}{{ mul $number 1024 }}{{ else }}{{ $number }}{{ end -}}
{{- end -}}

{{- define "pytriton.memory" -}}
{{- $shared := include "pytriton.mib" .Values.sharedMemory.total -}}
{{- $sum := add (include "pytriton.mib" .Values.resources.memory) $shared -}}
{{- if .Values.clientSharedMemory.enabled -}}
{{- $sum = add $sum (include "pytriton.mib" .Values.clientSharedMemory.size) -}}
{{- end -}}
{{ $sum }}Mi
{{- end -}}

{{- define "pytriton.storage" -}}
{{ add (include "pytriton.mib" .Values.tmpSize) @LOG@ }}Mi
{{- end -}}
"""

_CHECKS = """\
{{- /* A stop that takes longer than the grace period is a kill. */ -}}
{{- $needed := add .Values.drainDelay .Values.drainTimeout @END@ }}
{{- $given := int .Values.gracePeriod }}
{{- if lt $given (int $needed) }}
{{- $message := "gracePeriod is %d s, and drainDelay + drainTimeout + @END@ are %d s; raise gracePeriod" }}
{{- fail (printf $message $given (int $needed)) }}
{{- end }}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) }}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" }}
{{- end }}
{{- if lt (int (include "pytriton.mib" .Values.sharedMemory.total)) @INITIAL@ }}
{{- fail "sharedMemory.total is less than the @INITIAL@Mi that the models need at the start" }}
{{- end }}
"""

_NOTES = """\
{{{{- $name := include "pytriton.fullname" . }}}}
{{{{- $in := printf "-n %s" .Release.Namespace }}}}
{{{{ $name }}}} serves {models}.

  kubectl {{{{ $in }}}} rollout status deployment/{{{{ $name }}}}
  helm {{{{ $in }}}} test {{{{ .Release.Name }}}}
  kubectl {{{{ $in }}}} port-forward service/{{{{ $name }}}} {http} {grpc}

HTTP   {{{{ $name }}}}:{http}
gRPC   {{{{ $name }}}}:{grpc}, or all replicas that are ready: dns:///{{{{ $name }}}}-grpc:{grpc}
"""


def chart_files(plan: DeploymentPlan, specs: Iterable[ValueSpec], name: str, version: str) -> dict[str, str]:
    """The text of each file of the chart ``name``, by its path; ``version`` is the framework's."""
    specs = [*specs, *_of_the_test(plan)]
    values = Templated({spec.name: spec for spec in specs})
    files = {
        "Chart.yaml": _about(name, version),
        "values.yaml": values_text(specs),
        "values.schema.json": json.dumps(schema(specs), indent=2) + "\n",
        "templates/_helpers.tpl": _HELPERS.replace("@LOG@", str(LOG // MIB)),
        "templates/checks.yaml": _checks(plan),
        "templates/NOTES.txt": _notes(plan),
        "templates/tests/serves.yaml": _only_if("test.model", template(release_test(plan, values))),
    }
    for kind in KINDS:
        files[f"templates/{kind.file}.yaml"] = _only_if(kind.condition, template(kind.make(plan, values)))
    return files


def _checks(plan: DeploymentPlan) -> str:
    return _CHECKS.replace("@END@", f"{END_SECONDS:g}").replace("@INITIAL@", str(math.ceil(plan.shm_initial / MIB)))


def semantic(version: str) -> str:
    """A version of a Python package in the form that Helm requires."""
    try:
        read = Version(version)
    except InvalidVersion:
        return "0.0.0"
    major, minor, patch = (*read.release, 0, 0)[:3]
    before = [*(read.pre or ()), *(("dev", read.dev) if read.dev is not None else ())]
    return f"{major}.{minor}.{patch}" + (f"-{'.'.join(map(str, before))}" if before else "")


def _about(name: str, version: str) -> str:
    return dump(
        {
            "apiVersion": "v2",
            "name": name,
            "description": "Python models on NVIDIA Triton, served by pytriton-host",
            "type": "application",
            "version": semantic(version),
            "appVersion": version,
            "kubeVersion": ">=1.27.0-0",
        }
    )


def _of_the_test(plan: DeploymentPlan) -> list[ValueSpec]:
    model, *values = plan.call or ("",)
    return [
        text("test.model", model, "`helm test` waits until the daemon is ready and sends this model one request."),
        items("test.inputs", values, "Its inputs as `pytriton-host infer` takes them, each NAME=VALUE."),
    ]


def release_test(plan: DeploymentPlan, values: Templated) -> dict[str, Any]:
    """A pod that waits until the release is ready, and sends one request to a model."""
    hook = {"helm.sh/hook": "test", "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded"}
    user = {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": GROUP, "seccompProfile": {"type": "RuntimeDefault"}}
    address = f"{values.name}:{plan.ports.grpc}"
    container = {
        "name": "infer",
        "image": values.image,
        "imagePullPolicy": values["image.pullPolicy"],
        "args": [
            *("infer", "--url", address, "--wait", values.text("startupSeconds")),
            values["test.model"],
            *values.spread_items("test.inputs"),
        ],
        "securityContext": RIGHTS,
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "serviceAccountName": values["serviceAccountName"],
        "securityContext": user,
        **if_set(values, "imagePullSecrets", "nodeSelector", "tolerations"),
        "containers": [container],
    }
    # The labels differ from those that the Service selects.
    metadata = {"name": f"{values.name}-serves", "labels": values.labels_of("test"), "annotations": hook}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}


def _only_if(condition: str, text: str) -> str:
    return f"{{{{- if .Values.{condition} }}}}\n{text}{{{{- end }}}}\n" if condition else text


def _notes(plan: DeploymentPlan) -> str:
    models = ", ".join(model.name for model in plan.models) or "no model"
    return _NOTES.format(models=models, http=plan.ports.http, grpc=plan.ports.grpc)


def values_text(specs: Iterable[ValueSpec]) -> str:
    """values.yaml: each value below a comment with its purpose."""
    lines: list[str] = []
    opened: list[str] = []
    for spec in specs:
        *folders, last = spec.name.split(".")
        if folders != opened or not folders:
            lines += ["", *(f"{folder}:" for folder in folders)]
            opened = folders
        indent = "  " * len(folders)
        lines.append(f"{indent}# {spec.text}")
        lines += [f"{indent}{line}" if line else "" for line in dump({last: spec.default})[:-1].split("\n")]
    return "\n".join(lines).lstrip("\n") + "\n"


def schema(specs: Iterable[ValueSpec]) -> Mapping[str, Any]:
    """The schema by which Helm checks values: only these values, each of its type."""
    document: dict[str, Any] = {"$schema": "https://json-schema.org/draft-07/schema#", **_of_objects()}
    for name, spec in tree({spec.name: spec for spec in specs}).items():
        document["properties"][name] = _schema_of(spec)
    document["properties"]["global"] = {"type": "object"}
    return document


def _schema_of(spec: ValueSpec | dict[str, Any]) -> dict[str, Any]:
    if isinstance(spec, ValueSpec):
        return {"description": spec.text, **spec.schema}
    return {**_of_objects(), "properties": {name: _schema_of(inner) for name, inner in spec.items()}}


def _of_objects() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}
