"""The daemon's log: lines of children, levels, rates, and the threads that write it."""
