"""What a deployment is made of, as text: the image's build context, Kubernetes' manifests, a Helm chart."""
