"""Which models and hook plugins exist: read from metadata in the host, imported (resolve) in a worker."""
