"""What the plugin remembers of each stack: results, undo steps, object names; without Qt and mostly without layers."""
