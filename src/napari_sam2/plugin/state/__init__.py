"""What the plugin remembers of each stack and image on the GUI thread: results, undo steps, object names."""
