"""The texts of a deployment: the build context of an image, Kubernetes manifests, a Helm chart.

Nothing here runs in the daemon: the commands `image` and `manifests` use it.
"""
