"""Image features of frames: encoding, caching in memory and on disk, and reading ahead."""
