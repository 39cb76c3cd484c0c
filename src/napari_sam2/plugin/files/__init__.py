"""Session folders, exports, and what napari calls to open and save files."""
