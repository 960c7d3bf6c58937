"""What a cluster is told about hosts; runs wherever manifests are made, never in the host."""
