"""Many jobs: here, in several processes, or on a cluster."""
