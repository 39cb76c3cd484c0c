"""What the buttons of the panel do."""
