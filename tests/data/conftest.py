"""Medical images to read and to write for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

SeriesWriter = Callable[..., list[Path]]


@pytest.fixture
def write_series() -> SeriesWriter:
    """Write a CT series: a file for each slice, 3 mm apart, pixels of 0.75 x 0.5 mm, corner at (-10, -20, -30) mm."""
    pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed")
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    def slice_of(values: np.ndarray, slope: float, intercept: float) -> pydicom.Dataset:
        one = pydicom.Dataset()
        one.file_meta = pydicom.dataset.FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = CTImageStorage
        one.PatientName, one.PatientID, one.PatientBirthDate, one.PatientSex = "Doe^Jo", "7", "19700101", "O"
        one.StudyInstanceUID, one.StudyID, one.StudyDate, one.StudyTime = "1.2.3", "1", "20260101", "120000"
        one.AccessionNumber = one.ReferringPhysicianName = ""
        one.Modality, one.SeriesNumber, one.FrameOfReferenceUID = "CT", 1, "1.2.3.5"
        one.Manufacturer, one.PositionReferenceIndicator = "test", ""
        one.Rows, one.Columns = values.shape
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
        one.PixelSpacing, one.SliceThickness = [0.75, 0.5], 3
        one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        one.RescaleSlope, one.RescaleIntercept = slope, intercept
        one.PixelData = np.round((values - intercept) / slope).astype(np.uint16).tobytes()
        return one

    def write(
        folder: Path,
        volume: np.ndarray,
        *,
        slope: float = 1,
        intercept: float = -1024,
        time: int | None = None,
        series: str = "1.2.3.4",
        shuffled: bool = False,
        prefix: str = "slice",
    ) -> list[Path]:
        names = np.random.default_rng(0).permutation(len(volume)) if shuffled else range(len(volume))
        files = []
        for number, (name, values) in enumerate(zip(names, volume, strict=True)):
            if slope == 1 and intercept == -1024:
                assert values.min() >= -1024
            one = slice_of(values, slope, intercept if slope == 1 else values.min() // 1 - 1)
            one.SeriesInstanceUID = series
            one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = f"{series}.{time or 0}.{number + 1}"
            one.InstanceNumber = int(name) + 1
            one.ImagePositionPatient = [-10, -20, -30 + 3 * number]
            if time is not None:
                one.TemporalPositionIdentifier = time
            file = folder / f"{prefix}{name}_{time or 0}.dcm"
            one.save_as(file, enforce_file_format=True)
            files.append(file)
        return files

    return write
