"""Reader of NIfTI files, plain, compressed and in pairs, of Analyze and of FreeSurfer's MGH."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.files.optional_packages import load_extra
from napari_sam2.data.images.calibration import Size
from napari_sam2.data.images.frame_sources import ArrayPlanes, Opened
from napari_sam2.data.images.geometry import affine_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


_MGH = (".mgh", ".mgz", ".mgh.gz")
_ENDINGS = (".nii", ".nii.gz", *_MGH)
# A header, and the voxels beside it in a file of the same name.
_HEADERS, _VOXELS = (".hdr", ".hdr.gz"), (".img", ".img.gz")


class NiftiVoxels:
    """Voxels of a NIfTI file as an array, (X, Y), (X, Y, Z) or (X, Y, Z, T), read slice by slice.

    A compressed file has no slices to be had singly: it is read whole the first time.
    """

    def __init__(self, image: Any, path: Path) -> None:
        self._voxels = image.dataobj
        self._path = path
        self._is_packed = image.file_map["image"].filename.lower().endswith((".gz", ".mgz"))
        self._lock = threading.Lock()
        self._held: NDArray[Any] | None = None
        self.shape: tuple[int, ...] = tuple(image.shape)
        self.ndim = len(self.shape)
        # A scaling factor makes floats of integers; float32 holds them, and nibabel's float64 takes twice the memory.
        slope, offset = image.dataobj.slope, image.dataobj.inter
        self._is_scaled = (slope, offset) != (1, 0)
        # In this machine's order of bytes, which MGH files are not in.
        stored = np.dtype(image.get_data_dtype()).newbyteorder("=")
        self.dtype: np.dtype[Any] = np.dtype(np.float32) if self._is_scaled else stored

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        try:
            with self._lock:
                # Random access into gzip decompresses from the start each time: once and for all is cheaper.
                if not self._is_packed:
                    return self._converted(self._voxels[index])
                if self._held is None:
                    self._held = self._converted(np.asanyarray(self._voxels))
                return self._held[index]
        except (OSError, EOFError, ValueError) as error:
            raise ValueError(f"{self._path} cannot be read: {error}") from error

    def _converted(self, voxels: Any) -> NDArray[Any]:
        return np.asarray(voxels, dtype=self.dtype)


def is_nifti(path: Path) -> bool:
    """Tell by its name whether a file is a NIfTI, Analyze or MGH file."""
    return path.name.lower().endswith((*_ENDINGS, *_HEADERS, *_VOXELS))


def pair_partner(path: Path) -> Path | None:
    """Find the header that goes with voxels, or the voxels that go with a header; None where there are none."""
    lower = path.name.lower()
    for own, others in ((_HEADERS, _VOXELS), (_VOXELS, _HEADERS)):
        for ending in own:
            if lower.endswith(ending):
                stem = lower.removesuffix(ending)
                wanted = [stem + other for other in others]
                # Either of them may be compressed, and spelt in large letters.
                return next((file for file in path.parent.iterdir() if file.name.lower() in wanted), None)
    return None


def has_header(path: Path) -> bool:
    """Tell whether a file holds the voxels that a header beside it describes."""
    return path.name.lower().endswith(_VOXELS) and pair_partner(path) is not None


def open_nifti(path: Path) -> Opened:
    """Open a NIfTI, Analyze or MGH file as planes (Y, X) along depth and time, in the order of the file."""
    nibabel = load_extra("nibabel", "reading NIfTI files")
    try:
        image = _load(nibabel, path)
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a NIfTI file: {error}") from error
    if not isinstance(image, nibabel.spatialimages.SpatialImage):
        raise ValueError(f"{path} holds values on the cortex (CIFTI), which is no volume")
    voxels = NiftiVoxels(image, path)
    if not 2 <= voxels.ndim <= 4 or voxels.dtype.kind not in "buif":
        raise ValueError(
            f"{path} holds {voxels.dtype} voxels of shape {voxels.shape}: it must be numbers with two to four axes"
        )
    planes = ArrayPlanes(voxels, "xyzt"[: voxels.ndim])
    sizes = {
        letter: Size(float(size), unit)
        for letter, size, unit in zip("xyzt", image.header.get_zooms(), _units(image.header), strict=False)
    }
    return Opened(planes, planes.leading, sizes, affine=affine_of(image.affine))


def _load(nibabel: Any, path: Path) -> Any:
    if path.name.lower().endswith(_MGH):
        # By hand, since nibabel leaves the file open.
        kind = nibabel.MGHImage
        with nibabel.openers.ImageOpener(path) as file:
            header = kind.header_class.from_fileobj(file)
        image = kind(kind.ImageArrayProxy(str(path), header), header.get_affine(), header)
        image.file_map["image"].filename = str(path)
        return image
    if not path.name.lower().endswith((*_HEADERS, *_VOXELS)):
        return nibabel.load(path)
    partner = pair_partner(path)
    if partner is None:
        raise ValueError("its other half, .hdr or .img, is not beside it")
    header, voxels = (path, partner) if path.name.lower().endswith(_HEADERS) else (partner, path)
    # NIfTI in two files, or Analyze, which came before it and says less.
    kinds = (nibabel.Nifti1Pair, nibabel.Nifti2Pair, nibabel.Spm2AnalyzeImage, nibabel.AnalyzeImage)
    kind = next((kind for kind in kinds if kind.path_maybe_image(header)[0]), None)
    if kind is None:
        raise ValueError("its header is neither NIfTI nor Analyze")
    # By hand, since nibabel looks for both halves compressed, or for neither.
    files = kind.filespec_to_file_map(str(header))
    files["header"].filename, files["image"].filename = str(header), str(voxels)
    return kind.from_file_map(files)


def _units(header: Any) -> list[str]:
    """Return the units of X, Y, Z and T, by names that `unit_name` knows."""
    if not hasattr(header, "get_xyzt_units"):
        # MGH has its repetition times in milliseconds, Analyze in seconds.
        return ["mm", "mm", "mm", "ms" if "tr" in header else "s"]
    space, time = header.get_xyzt_units()
    # As FSL and others take it where the header does not say.
    space, time = ("mm" if space == "unknown" else space), ("s" if time == "unknown" else time)
    return [space, space, space, time]
