"""Kubernetes objects, as plain YAML, as a Helm chart or for KServe: one source, with values or with templates in it."""
