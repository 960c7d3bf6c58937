"""What `pytriton-host infer` does: addresses, values, requests, the connection, results."""
