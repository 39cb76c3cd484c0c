"""Batches of jobs, run one after the other, in several processes or on a Dask cluster."""
