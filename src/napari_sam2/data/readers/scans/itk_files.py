"""Reader of NRRD and MetaImage, the files of 3D Slicer and ITK: a header in text, and voxels in it or beside it."""

from __future__ import annotations

import bz2
import re
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_sam2.data.images.calibration import Size
from napari_sam2.data.images.frame_sources import FilePlanes, Opened
from napari_sam2.data.images.geometry import affine_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_UNREADABLE = (OSError, EOFError, ValueError, zlib.error)
_META, _NRRD = (".mha", ".mhd"), (".nrrd", ".nhdr")
# By the names that NRRD has for them, each of several, and MetaImage, which says MET_ before.
_TYPES = {
    "int8": "signed char,int8,int8_t,char",
    "uint8": "uchar,unsigned char,uint8,uint8_t",
    "int16": "short,short int,signed short,int16,int16_t",
    "uint16": "ushort,unsigned short,unsigned short int,uint16,uint16_t",
    "int32": "int,signed int,int32,int32_t",
    "uint32": "uint,unsigned int,uint32,uint32_t",
    "int64": "longlong,long long,int64,int64_t,long_long",
    "uint64": "ulonglong,unsigned long long,uint64,uint64_t,ulong_long",
    "float32": "float",
    "float64": "double",
}
_DTYPES = {name: dtype for dtype, names in _TYPES.items() for name in names.split(",")}
# Kinds of axes that NRRD knows: places in space, samples of colour, and lists of anything, such as time points.
_KINDS = {
    **dict.fromkeys(("domain", "space"), ""),
    **dict.fromkeys(("rgb-color", "rgba-color", "3-color", "4-color"), "s"),
    **dict.fromkeys(("time", "list"), "t"),
}
# Where x and y of the world run that a header names; ITK's run to the left and to the back.
_RIGHT_ANTERIOR = {"right-anterior-superior": (1, 1), "ras": (1, 1), "left-anterior-superior": (-1, 1), "las": (-1, 1)}


@dataclass(frozen=True)
class _Header:
    # Lengths of the axes, the one that runs fastest first, and a letter for each.
    shape: tuple[int, ...]
    axes: str
    dtype: np.dtype[Any]
    # The file with the voxels, where they begin (counted from its end where negative), and how they are packed.
    data: Path
    start: int
    packing: str
    sizes: Mapping[str, Size]
    # Columns: one step on x, y and z, and where the first voxel lies; None for images in a plane of their own.
    place: NDArray[np.float64] | None


class PackedVoxels:
    """Voxels as an array, which are mapped, or unpacked the first time that they are asked for."""

    def __init__(self, header: _Header) -> None:
        self._header = header
        self._lock = threading.Lock()
        self._voxels: NDArray[Any] | None = None
        self.shape, self.ndim = header.shape, len(header.shape)
        self.dtype = header.dtype.newbyteorder("=")

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        with self._lock:
            if self._voxels is None:
                self._voxels = self._read()
        return np.asarray(self._voxels[index], self.dtype)

    def _read(self) -> NDArray[Any]:
        header = self._header
        nbytes = int(np.prod(self.shape, dtype=np.int64)) * header.dtype.itemsize
        start = header.start if header.start >= 0 else header.data.stat().st_size - nbytes
        if header.packing == "raw":
            return np.memmap(header.data, header.dtype, "r", offset=start, shape=self.shape, order="F")
        packed = header.data.read_bytes()[start:]
        if header.packing == "text":
            return np.array(packed.split(), header.dtype).reshape(self.shape, order="F")
        # 32 and more: with gzip's header or zlib's.
        voxels = bz2.decompress(packed) if header.packing == "bzip2" else zlib.decompressobj(47).decompress(packed)
        return np.frombuffer(voxels, header.dtype, nbytes // header.dtype.itemsize).reshape(self.shape, order="F")


def is_itk_file(path: Path) -> bool:
    """Tell by its suffix whether a file is a NRRD or MetaImage header, with or without its voxels."""
    return path.suffix.lower() in (*_META, *_NRRD)


def open_itk(path: Path) -> Opened:
    """Open a NRRD or MetaImage file as planes (Y, X) along depth and time, in the order of the file."""
    try:
        header = _meta_image(path) if path.suffix.lower() in _META else _nrrd(path)
        if not header.data.is_file():
            raise ValueError(f"its voxels in {header.data.name} are not beside it")
        affine = None
        if header.place is not None:
            affine = affine_of(np.vstack([header.place, [0, 0, 0, 1]]))
    except (*_UNREADABLE, KeyError) as error:
        said = f"it does not say {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{path} cannot be read: {said}") from error
    planes = FilePlanes(PackedVoxels(header), header.axes, path, unreadable=_UNREADABLE)
    return Opened(planes, planes.leading, header.sizes, affine=affine)


def _nrrd(path: Path) -> _Header:
    with path.open("rb") as file:
        if not file.readline().startswith(b"NRRD"):
            raise ValueError("it does not begin as a NRRD file")
        said = {}
        # An empty line ends the header.
        while line := file.readline().strip():
            name, colon, value = line.decode("utf-8", "replace").partition(":")
            # Keys of the user's own, key:=value, say nothing about the voxels.
            if colon and not name.startswith("#") and not value.startswith("="):
                said[name.lower().replace(" ", "")] = value.strip()
        start = file.tell()
    shape = tuple(map(int, said["sizes"].split()))
    vectors = [_numbers(one) for one in re.findall(r"none|\([^)]*\)", said.get("spacedirections", ""))]
    axes = _nrrd_axes(said, vectors, len(shape))
    data = path
    if apart := said.get("datafile"):
        if apart.startswith("LIST") or "%" in apart:
            raise ValueError("its voxels lie in several files: save it as one")
        data, start = path.parent / apart, int(said.get("byteskip", 0))
        if n_lines := int(said.get("lineskip", 0)):
            start += sum(map(len, _first_lines(data, n_lines)))
    packing = {"gz": "gzip", "bz2": "bzip2", "txt": "text", "ascii": "text"}.get(said["encoding"].lower())
    order: Literal["<", ">"] = ">" if said.get("endian", "little") == "big" else "<"
    sizes, place = _nrrd_place(said, axes, vectors)
    return _Header(
        shape, axes, _dtype(said["type"].lower(), order), data, start, packing or said["encoding"].lower(), sizes, place
    )


def _nrrd_axes(said: Mapping[str, str], vectors: Sequence[Sequence[float]], n_axes: int) -> str:
    """Give each axis a letter: those with a direction, or of a kind in space, are x, y and z."""
    kinds = said.get("kinds", "").lower().split() or ["domain" if any(v) else "list" for v in vectors]
    if not kinds:
        return "xyzt"[:n_axes]
    if kinds[0] == "vector" and _is_colour(said["type"].lower(), int(said["sizes"].split()[0])):
        kinds[0] = "rgb-color"
    if odd := [kind for kind in kinds if kind not in _KINDS and kind != "none"]:
        raise ValueError(f"it has an axis of {odd[0]}s, which are no images of their own: save one as a file")
    space = iter("xyz")
    letters = [_KINDS.get(kind, "t") or next(space, "t") for kind in kinds]
    return "".join(letters)


def _nrrd_place(
    said: Mapping[str, str], axes: str, vectors: Sequence[Sequence[float]]
) -> tuple[dict[str, Size], NDArray[np.float64] | None]:
    units = re.findall(r'"([^"]*)"', said.get("spaceunits", said.get("units", "")))
    unit = next((one for one in units if one), "mm" if "space" in said else None)
    spacings = [float(one) for one in said.get("spacings", "").split()] or [np.nan] * len(axes)
    sizes = {letter: Size(spacing, unit) for letter, spacing in zip(axes, spacings, strict=True) if spacing > 0}
    steps = [vector for vector in vectors if vector]
    sizes |= {letter: Size(float(np.linalg.norm(step)), unit) for letter, step in zip("xyz", steps, strict=False)}
    origin = _numbers(said.get("spaceorigin", "")) or [0.0] * 3
    if len(steps) != 3 or len(origin) != 3:
        return sizes, None
    x, y = _RIGHT_ANTERIOR.get(said.get("space", "").lower(), (-1, -1))
    return sizes, np.diag([x, y, 1.0]) @ np.column_stack([*steps, origin])


def _meta_image(path: Path) -> _Header:
    said = {}
    with path.open("rb") as file:
        for line in file:
            name, _, value = line.decode("utf-8", "replace").partition("=")
            said[name.strip()] = value.strip()
            if name.strip() == "ElementDataFile":
                break
        start = file.tell()
    n_axes, name = int(said["NDims"]), said["ElementDataFile"]
    if name.startswith("LIST") or "%" in name:
        raise ValueError("its voxels lie in several files: save it as one")
    is_inside = name.upper() == "LOCAL"
    is_packed = said.get("CompressedData", "").lower() == "true"
    samples, kind = int(said.get("ElementNumberOfChannels", 1)), said["ElementType"].removeprefix("MET_").lower()
    kind = kind.removesuffix("_array")
    if samples != 1 and not _is_colour(kind, samples):
        raise ValueError(f"it has {samples} {kind} values for each voxel, which are neither grey nor colour")
    is_big = "true" in {said.get(f"{kind}ByteOrderMSB", "").lower() for kind in ("Element", "BinaryData")}
    shape = tuple(map(int, said["DimSize"].split()))
    sizes, place = _meta_place(said, n_axes)
    return _Header(
        shape if samples == 1 else (samples, *shape),
        "s" * (samples > 1) + "xyzt"[:n_axes],
        _dtype(kind, ">" if is_big else "<"),
        path if is_inside else path.parent / name,
        start if is_inside else int(said.get("HeaderSize", 0)),
        "gzip" if is_packed else "raw" if said.get("BinaryData", "true").lower() == "true" else "text",
        sizes,
        place,
    )


def _meta_place(said: Mapping[str, str], n_axes: int) -> tuple[dict[str, Size], NDArray[np.float64] | None]:
    def first(*names: str, otherwise: Sequence[float]) -> NDArray[np.float64]:
        return np.array(next((_numbers(said[name]) for name in names if name in said), otherwise), float)

    spacing = first("ElementSpacing", "ElementSize", otherwise=[1.0] * n_axes)
    origin = first("Offset", "Position", "Origin", otherwise=[0.0] * n_axes)
    units = ["mm", "mm", "mm", "s"]
    sizes = {
        letter: Size(float(size), unit, 0.0 if n_axes > 2 else float(at))
        for letter, size, unit, at in zip("xyzt", spacing, units, origin, strict=False)
    }
    if n_axes < 3:
        return sizes, None
    # A row for each axis of the image, while the columns of the affine are.
    turn = first("TransformMatrix", "Rotation", "Orientation", otherwise=np.eye(n_axes).ravel().tolist())
    columns = turn.reshape(n_axes, n_axes)[:3, :3].T * spacing[:3]
    # To the left and to the back, as in DICOM.
    return sizes, np.diag([-1.0, -1.0, 1.0]) @ np.column_stack([columns, origin[:3]])


def _dtype(name: str, order: Literal["<", ">"]) -> np.dtype[Any]:
    if name not in _DTYPES:
        raise ValueError(f"it holds {name} voxels, which are no numbers")
    return np.dtype(_DTYPES[name]).newbyteorder(order)


def _is_colour(name: str, samples: int) -> bool:
    return samples in (3, 4) and _DTYPES.get(name) == "uint8"


def _numbers(text: str) -> list[float]:
    """Read numbers with brackets, commas or spaces around them; none where the text says none."""
    return [] if text == "none" else [float(one) for one in re.findall(r"[^\s(),]+", text)]


def _first_lines(path: Path, n_lines: int) -> list[bytes]:
    with path.open("rb") as file:
        return [file.readline() for _ in range(n_lines)]
