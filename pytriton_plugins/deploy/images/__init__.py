"""The build context of an image that serves plugins: a Containerfile and the files that it copies."""
