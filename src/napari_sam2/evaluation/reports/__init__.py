"""Reports of evaluations: HTML page, contact sheets, Markdown tables."""
