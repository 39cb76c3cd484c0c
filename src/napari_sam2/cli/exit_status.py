"""Exit statuses of the command."""

from __future__ import annotations

# A check or job failed; a mistake of the user's or an error; stopped by Ctrl-C (128 + SIGINT, as in shells).
EXIT_FAILED = 1
EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
