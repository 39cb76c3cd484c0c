"""A model on a worker of a Dask cluster: the session stays here, and what costs is computed there."""
