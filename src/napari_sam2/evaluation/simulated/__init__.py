"""What a simulated user does: where it clicks, and on which frame next."""
