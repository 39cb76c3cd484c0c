"""Reader of DICOM series and multi-frame files, sorted by slice position and time."""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.files.optional_packages import load_extra
from napari_sam2.data.images.calibration import Size
from napari_sam2.data.images.frame_sources import WHOLE, Area, Opened
from napari_sam2.data.images.geometry import affine_of
from napari_sam2.data.images.selection import chosen_series
from napari_sam2.data.readers.image_folder import natural_key
from napari_sam2.data.readers.still_image import is_image_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_sam2.data.images.geometry import Affine

_PURPOSE = "reading DICOM files"
# Positions further apart than this share of the usual distance mean that a slice is missing.
_UNEVEN = 0.02
# Directions whose parts differ by more are turned against each other.
_TURNED = 0.01
_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
# Angiography, teeth, breast and eye in three dimensions.
_TOMOGRAPHY = (
    *(f"1.2.840.10008.5.1.4.1.1.13.1.{number}" for number in (1, 2, 3)),
    "1.2.840.10008.5.1.4.1.1.77.1.5.4",
)


@dataclass(frozen=True)
class _Plane:
    """One image of a series: its file, its place in a multi-frame file, and values of its header."""

    path: Path
    # Index in a multi-frame file, else 0.
    frame: int
    # Millimetres along the normal of the slices; None where the header does not place the image.
    position: float | None
    # Time, acquisition and instance number: the order of images at one position.
    order: tuple[int, ...]
    # Value = stored number * slope + intercept, such as Hounsfield units.
    slope: float
    intercept: float
    # Centre of the first pixel in millimetres to the patient's left, back and head.
    corner: tuple[float, ...] | None = None
    # Directions of the rows and of the columns.
    orientation: tuple[float, ...] | None = None


class DicomPlanes:
    """Planes of a DICOM series, (Z, Y, X), (T, Y, X) or (T, Z, Y, X), with S where they are in colour.

    Pixel values are those of the rescale slope and intercept, whole numbers where these are.
    """

    def __init__(self, planes: Sequence[_Plane], leading: tuple[int, ...], header: Any) -> None:
        self._pixels = load_extra("pydicom.pixels", _PURPOSE)
        self._planes = planes
        self._lock = threading.Lock()
        # Palette images have one sample and stay indices.
        samples = (3,) if int(header.get("SamplesPerPixel", 1)) == 3 else ()
        self.shape: tuple[int, ...] = (*leading, int(header.Rows), int(header.Columns), *samples)
        self.dtype = _pixel_type(planes, header)

    def read(self, index: tuple[int, ...], area: Area = WHOLE) -> NDArray[Any]:
        """Fetch one plane."""
        number = int(np.ravel_multi_index(index, self.shape[: len(index)]))
        plane = self._planes[number]
        try:
            # pydicom's decoders are not all safe to use from several threads.
            with self._lock:
                image = self._pixels.pixel_array(plane.path, index=plane.frame)
        except (OSError, ValueError, AttributeError, RuntimeError, NotImplementedError, KeyError) as error:
            raise ValueError(f"{plane.path} cannot be read: {error}") from error
        # The scaling may differ from slice to slice (PET), so it belongs to the plane.
        if (plane.slope, plane.intercept) != (1, 0):
            image = image * plane.slope + plane.intercept
        result: NDArray[Any] = image[area].astype(self.dtype, copy=False)
        return result

    def close(self) -> None:
        """Do nothing: no file stays open."""


def has_dicom(place: Path) -> bool:
    """Tell whether a file is DICOM, or a folder or those below it hold DICOM files, and it no plain images."""
    if place.is_dir():
        # Folders often hold exported PNGs beside the series: then the images are meant.
        if any(is_image_file(file) for file in place.iterdir() if file.is_file()):
            return False
        return any(_is_dicom(file) for file in _visible(place))
    return place.is_file() and _is_dicom(place)


def series_files(place: Path, series: str | None = None) -> list[Path]:
    """List the files of a series in a folder, or the file itself, in the order of the stack's planes."""
    return list(dict.fromkeys(plane.path for plane in _sorted(_read_headers(place, series)[0])[0]))


def open_dicom(place: Path, series: str | None = None) -> Opened:
    """Open a DICOM series without reading its pixels.

    Planes are sorted by their position along the normal of the slices; where there are several for each position, they
    are time points. Without positions, the instance numbers decide.
    """
    planes, header = _read_headers(place, series)
    planes, n_times = _sorted(planes)
    n_planes = len(planes) // n_times
    # Without positions there is depth in tomography only; cine loops state a frame time, and anything else is frames of
    # no given kind.
    has_depth = planes[0].position is not None or _is_tomography(header)
    axes = "z" if has_depth else "t" if "FrameTime" in header else "n"
    leading: tuple[int, ...] = (n_planes,)
    if n_times > 1:
        axes, leading = "tz", (n_times, n_planes)
    sizes = _sizes(header, planes[:n_planes])
    source = DicomPlanes(planes, leading, header)
    affine = _affine(header, planes[:n_planes])
    return Opened(source, axes, sizes, affine=affine)


def _files(folder: Path) -> list[Path]:
    return sorted(_visible(folder), key=lambda path: natural_key(path.relative_to(folder).as_posix()))


def _visible(folder: Path) -> Iterator[Path]:
    # DICOM files often have no suffix, so every visible file counts; DICOMDIR is an index without pixels. Scanners
    # write patient/study/series/file, often with a folder for each.
    for path in folder.rglob("*"):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not is_hidden and path.name.upper() != "DICOMDIR":
            yield path


def _is_dicom(path: Path) -> bool:
    """Look for the letters that every DICOM file has behind its preamble."""
    try:
        with path.open("rb") as file:
            file.seek(128)
            return file.read(4) == b"DICM"
    except OSError:
        return False


def _read_headers(place: Path, series: str | None) -> tuple[list[_Plane], Any]:
    pydicom = load_extra("pydicom", _PURPOSE)
    files = [file for file in _files(place) if _is_dicom(file)] if place.is_dir() else [place]
    headers: list[Any] = []
    for file in files:
        try:
            headers.append(pydicom.dcmread(file, stop_before_pixels=True))
        except (OSError, ValueError, EOFError, AttributeError, pydicom.errors.InvalidDicomError) as error:
            raise ValueError(f"{file} cannot be read as a DICOM file: {error}") from error
    # Reports and presentation states are DICOM files without an image.
    found = [(file, header) for file, header in zip(files, headers, strict=True) if "Rows" in header]
    if not found:
        raise ValueError(f"{place} holds no DICOM image")
    found = _one_series(found, series, place)
    if slides := [file for file, header in found if header.get("SOPClassUID") == _SLIDE]:
        raise ValueError(f"{slides[0]} is a slide, whose frames are its tiles: export the part to track as a TIFF file")
    shapes = Counter((int(header.Rows), int(header.Columns)) for _, header in found)
    if len(shapes) > 1:
        sizes = ", ".join(f"{rows} x {columns} ({count})" for (rows, columns), count in shapes.most_common())
        raise ValueError(f"{place} holds images of several sizes: {sizes}")
    planes = [plane for file, header in found for plane in _planes_of(file, header)]
    _check_orientation(planes, place)
    return planes, found[0][1]


def _one_series(found: list[tuple[Path, Any]], series: str | None, place: Path) -> list[tuple[Path, Any]]:
    """Take one of the series: mixed ones would interleave when they are sorted by position."""
    each: dict[str, list[tuple[Path, Any]]] = {}
    for one in found:
        each.setdefault(str(one[1].get("SeriesInstanceUID", "")), []).append(one)
    about = []
    for members in each.values():
        header = members[0][1]
        about.append(f": {header.get('SeriesDescription') or header.get('Modality', '')}, {len(members)} images")
    return list(each.values())[chosen_series(list(each), series, str(place), about)]


def _check_orientation(planes: Sequence[_Plane], place: Path) -> None:
    # Scouts often come with their series; positions along different normals cannot be compared.
    known = [plane.orientation for plane in planes if plane.orientation is not None]
    turned = [one for one in known if not np.allclose(one, known[0], atol=_TURNED)]
    if turned:
        raise ValueError(
            f"{place} holds slices of several orientations, {len(known) - len(turned)} like the first and "
            f"{len(turned)} turned against it: keep them in folders of their own"
        )


def _is_tomography(header: Any) -> bool:
    # Frames of a reconstructed volume; "TOMO" alone is the projections that it was made from.
    kinds = [str(kind).upper() for kind in header.get("ImageType", ())]
    is_named = any("TOMO" in kind and kind != "TOMO" for kind in kinds)
    return is_named or header.get("SOPClassUID") in _TOMOGRAPHY


def _planes_of(path: Path, header: Any) -> list[_Plane]:
    count = int(header.get("NumberOfFrames", 1) or 1)
    # Enhanced multi-frame files describe every frame in groups; older ones have one header for all.
    groups = header.get("PerFrameFunctionalGroupsSequence") or [None] * count
    return [_plane(path, header, frame=frame, groups=groups[frame]) for frame in range(count)]


def _plane(path: Path, header: Any, *, frame: int, groups: Any) -> _Plane:
    shared = (header.get("SharedFunctionalGroupsSequence") or [None])[0]
    corner = _said("ImagePositionPatient", "PlanePositionSequence", groups, shared, header)
    orientation = _said("ImageOrientationPatient", "PlaneOrientationSequence", groups, shared, header)
    if corner is None and orientation is None and (detector := header.get("DetectorInformationSequence")):
        # Nuclear medicine places the first frame of a volume here.
        corner, orientation = detector[0].get("ImagePositionPatient"), detector[0].get("ImageOrientationPatient")
    slope = _said("RescaleSlope", "PixelValueTransformationSequence", groups, shared, header)
    intercept = _said("RescaleIntercept", "PixelValueTransformationSequence", groups, shared, header)
    position = None
    if corner is not None and orientation is not None:
        # The normal of the slice: distances along it do not depend on where in the plane an image begins.
        direction = np.cross(np.array(orientation[:3], float), np.array(orientation[3:], float))
        corner = np.array(corner, float) + direction * _offset(header, frame)
        position = float(direction @ corner)
    # Scanners fill in different ones of these; missing ones count as 0 and decide nothing.
    counted = (header.get(name) or 0 for name in ("TemporalPositionIdentifier", "AcquisitionNumber", "InstanceNumber"))
    return _Plane(
        path,
        frame,
        position,
        (*(int(number) for number in counted), frame),
        float(header.get("DoseGridScaling") or 1) if slope is None else float(slope),
        0.0 if intercept is None else float(intercept),
        None if corner is None else tuple(float(value) for value in corner),
        None if orientation is None else tuple(float(value) for value in orientation),
    )


def _offset(header: Any, frame: int) -> float:
    """How far a frame lies from the header's position along the normal, where one position stands for all frames."""
    offsets = header.get("GridFrameOffsetVector")
    if offsets is not None:
        # Of a dose: distances from the first plane, or positions along the patient where the first is not 0.
        return float(offsets[frame]) - float(offsets[0])
    if "DetectorInformationSequence" in header and _is_tomography(header):
        return frame * float(header.get("SpacingBetweenSlices") or header.get("SliceThickness") or 1)
    return 0.0


def _said(name: str, sequence: str, *places: Any) -> Any:
    """Find an attribute in a frame's own groups, in the shared ones or in the header."""
    for place in places:
        if place is None:
            continue
        inner = place.get(sequence)
        if inner and inner[0].get(name) is not None:
            return inner[0].get(name)
        if place.get(name) is not None:
            return place.get(name)
    return None


def _sorted(planes: list[_Plane]) -> tuple[list[_Plane], int]:
    """Sort planes by time, then position; give the number of time points too."""
    # One image without a position makes all positions useless for sorting.
    if any(plane.position is None for plane in planes):
        return sorted((_without_position(plane) for plane in planes), key=lambda plane: plane.order), 1
    # Rounded to micrometres: headers of one slice differ in the last decimals.
    places: dict[float, list[_Plane]] = {}
    for plane in sorted(planes, key=lambda plane: plane.order):
        places.setdefault(round(plane.position or 0, 3), []).append(plane)
    counts = {len(group) for group in places.values()}
    if len(places) == 1 and len(planes) > 1:
        # One slice seen many times.
        return [_without_position(plane) for plane in places.popitem()[1]], 1
    # An incomplete time point would shift all later ones by some slices.
    if len(counts) > 1:
        raise ValueError(
            f"{planes[0].path.parent} holds {min(counts)} to {max(counts)} images for one slice position: keep the "
            "volumes in folders of their own"
        )
    (n_times,) = counts
    return [places[position][time] for time in range(n_times) for position in sorted(places)], n_times


def _without_position(plane: _Plane) -> _Plane:
    return replace(plane, position=None)


def _pixel_type(planes: Sequence[_Plane], header: Any) -> np.dtype[Any]:
    """Choose a type that holds every value the pixels can have after rescaling."""
    signed, stored = bool(header.PixelRepresentation), int(header.get("BitsStored", header.BitsAllocated))
    scalings = {(plane.slope, plane.intercept) for plane in planes}
    if scalings == {(1.0, 0.0)}:
        return np.dtype(f"{'i' if signed else 'u'}{max(1, int(header.BitsAllocated) // 8)}")
    if any(not number.is_integer() for pair in scalings for number in pair):
        return np.dtype(np.float32)
    # From the range of the stored bits, not from the pixels, which are not read yet.
    ends = (-(2 ** (stored - 1)), 2 ** (stored - 1) - 1) if signed else (0, 2**stored - 1)
    values = [end * slope + intercept for slope, intercept in scalings for end in ends]
    # The smallest first; CT in Hounsfield units ends up as int16.
    types = [np.dtype(name) for name in ("uint8", "uint16", "int16", "int32")]
    fitting = (kind for kind in types if np.iinfo(kind).min <= min(values) and max(values) <= np.iinfo(kind).max)
    return next(fitting, np.dtype(np.float32))


def _sizes(header: Any, planes: Sequence[_Plane]) -> dict[str, Size]:
    shared = (header.get("SharedFunctionalGroupsSequence") or [None])[0]
    first = (header.get("PerFrameFunctionalGroupsSequence") or [None])[0]
    spacing = _said("PixelSpacing", "PixelMeasuresSequence", first, shared, header) or header.get("ImagerPixelSpacing")
    sizes: dict[str, Size] = {}
    if spacing:
        sizes |= {"y": Size(float(spacing[0]), "mm"), "x": Size(float(spacing[1]), "mm")}
    step = _step(planes)
    # Measured positions are trusted most, then the stated spacing; the thickness ignores gaps between slices.
    thickness = _said("SpacingBetweenSlices", "PixelMeasuresSequence", first, shared, header)
    thickness = thickness or _said("SliceThickness", "PixelMeasuresSequence", first, shared, header)
    if step or thickness:
        sizes["z"] = Size(step or float(thickness), "mm")
    if header.get("FrameTime"):
        sizes["t"] = Size(float(header.FrameTime), "ms")
    return sizes


def _step(planes: Sequence[_Plane]) -> float | None:
    """Measure the distance between slices; warn where it is not the same throughout."""
    positions = [plane.position for plane in planes if plane.position is not None]
    if len(positions) < 2:
        return None
    steps = np.diff(positions)
    usual = float(np.median(steps))
    if np.abs(steps - usual).max() > _UNEVEN * usual:
        place = int(np.abs(steps - usual).argmax())
        warnings.warn(
            f"the slices are not evenly spaced: {steps[place]:g} mm between slices {place} and {place + 1}, else "
            f"{usual:g} mm; one may be missing",
            stacklevel=2,
        )
    return usual


def _affine(header: Any, planes: Sequence[_Plane]) -> Affine | None:
    shared = (header.get("SharedFunctionalGroupsSequence") or [None])[0]
    first = (header.get("PerFrameFunctionalGroupsSequence") or [None])[0]
    spacing = _said("PixelSpacing", "PixelMeasuresSequence", first, shared, header)
    corner, orientation = planes[0].corner, planes[0].orientation
    if orientation is None or spacing is None or corner is None:
        return None
    # The first direction is that of rising columns, while spacing has the rows first.
    along_x, along_y = np.array(orientation[:3], float), np.array(orientation[3:], float)
    affine = np.eye(4)
    affine[:3, 0] = along_x * float(spacing[1])
    affine[:3, 1] = along_y * float(spacing[0])
    affine[:3, 2] = np.cross(along_x, along_y) * (_step_of(planes) or 1.0)
    affine[:3, 3] = corner
    # DICOM counts to the left and to the back, NIfTI to the right and to the front.
    return affine_of(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


def _step_of(planes: Sequence[_Plane]) -> float | None:
    positions = [plane.position for plane in planes if plane.position is not None]
    return float(np.median(np.diff(positions))) if len(positions) > 1 else None
