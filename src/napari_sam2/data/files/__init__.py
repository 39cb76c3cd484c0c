"""Files written whole or not at all, and packages that may be missing."""
