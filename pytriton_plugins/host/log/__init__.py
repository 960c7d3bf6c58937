"""The daemon's log: lines of children, levels, rates, and where it all goes."""
