"""How good masks are likely to be, from what tracking leaves behind."""
