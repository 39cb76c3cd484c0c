"""Readers of image files: TIFF, OME-Zarr, video, NIfTI, DICOM, NumPy and folders of images."""
