"""What deployments need: images and manifests, as files that the user keeps; runs in the called process."""
