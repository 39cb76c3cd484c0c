"""Finding, following and relating all objects of a stack without prompts."""
