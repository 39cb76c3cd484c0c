"""Readers of scans: DICOM, NIfTI and its kin, NRRD and MetaImage."""
