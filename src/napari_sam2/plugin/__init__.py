"""The napari plugin: the widget, readers, writers and samples that the manifest, ``napari.yaml``, names."""
