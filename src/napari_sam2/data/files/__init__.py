"""Atomic writing of files, a cache on disk, optional packages and errors of memory."""
