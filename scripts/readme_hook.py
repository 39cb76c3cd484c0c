"""A hook of the build: on the package index, the README's links and pictures lead to the repository.

They do where ``[project.urls]`` in ``pyproject.toml`` names a ``Repository``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURES = {".gif", ".png"}


class ReadmeHook(MetadataHookInterface):
    """Gives the package its README."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Take the README, with addresses in place of paths where the repository is known."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        if repository := metadata.get("urls", {}).get("Repository"):
            ref = "HEAD" if "dev" in metadata["version"] else f"v{metadata['version']}"

            def address(found: re.Match[str]) -> str:
                return f"]({repository}/{'raw' if Path(found[1]).suffix in PICTURES else 'blob'}/{ref}/{found[1]})"

            text = re.sub(r"\]\((?!\w+:|#)([^)\s]+)\)", address, text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
