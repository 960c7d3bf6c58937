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
{{ add (include "pytriton.mib" .Values.tmpSize) 256 }}Mi
{{- end -}}
