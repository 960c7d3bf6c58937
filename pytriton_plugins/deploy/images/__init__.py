"""The build context of an image that serves plugins: a Containerfile and what it copies."""
