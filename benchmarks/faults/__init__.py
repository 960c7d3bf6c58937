"""`python -m benchmarks faults`: ours and PyTriton under the same faults."""
