"""Places in which programs run: process groups, namespaces, containers, terminals."""
