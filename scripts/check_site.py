"""Refuse a site whose pages load anything from another host: ``python scripts/check_site.py [site]``."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

# What a link is only to be followed by, or names the page by.
FOLLOWED = {"alternate", "author", "canonical", "license", "next", "prev"}
LOADED_BY_STYLE = re.compile(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)")


class Loaded(HTMLParser):
    """Gathers the addresses on other hosts that a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what an element loads; the theme's script fetches a diagram's library for that class."""
        given = {name: value or "" for name, value in attrs}
        is_followed = tag == "a" or (tag == "link" and FOLLOWED & {*given.get("rel", "").split()})
        names = [given.get(name, "") for name in ("src", "srcset", "data", *(() if is_followed else ("href",)))]
        self.found += [name for name in names if re.match(r"(https?:)?//", name)]
        self.found += ["a mermaid diagram"] if "mermaid" in given.get("class", "").split() else []


def loaded_by(path: Path) -> list[str]:
    """What a file of the site loads from elsewhere."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".css":
        return LOADED_BY_STYLE.findall(text)
    page = Loaded()
    page.feed(text)
    return page.found


def main(site: Path) -> None:
    """Look at all pages and styles."""
    files = [path for path in sorted(site.rglob("*")) if path.suffix in (".html", ".css")]
    found = [f"{path.relative_to(site)}: {address}" for path in files for address in loaded_by(path)]
    if found or not files:
        raise SystemExit("\n".join(["pages load from other hosts:" if files else f"no pages in {site}", *found]))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "site"))
