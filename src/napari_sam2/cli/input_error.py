"""Exit statuses of the command."""

from __future__ import annotations

EXIT_FAILED = 1
EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
