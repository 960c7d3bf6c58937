"""`python -m benchmarks faults`: ours and PyTriton through the same faults. Runs in the benchmark process."""
