"""Places to run programs in: process groups, namespaces, containers, terminals."""
