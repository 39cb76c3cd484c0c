"""Scans in other files than single NIfTI and DICOM: pairs of files, FreeSurfer's, 3D Slicer's and ITK's."""

from __future__ import annotations

import gzip
import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sam2.data import Calibration, Selection, open_stack
from napari_sam2.data.formats import Results, export_results
from napari_sam2.data.prompts.label_image import read_label_prompts

nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")

VOLUME = np.random.default_rng(0).integers(-500, 500, (6, 12, 16)).astype(np.int16)
AFFINE = np.array([[-0.5, 0, 0, 10], [0, -0.75, 0, 20], [0, 0, 3, -30], [0, 0, 0, 1.0]])
# Turned about the z axis and the x axis, as scans of tilted heads are.
TURN = np.array([[0.96, -0.28, 0], [0.2688, 0.9216, -0.28], [0.0784, 0.2688, 0.96]])
TILTED = np.eye(4)
TILTED[:3, :3], TILTED[:3, 3] = TURN * (0.5, 0.75, 3), (-10, 20.5, -30)


def pair(folder: Path, kind: Any, endings: tuple[str, str], voxels: np.ndarray = VOLUME) -> list[Path]:
    """Write an image as two files, each compressed or not."""
    kind(voxels.transpose(2, 1, 0), TILTED).to_filename(folder / "scan.img")
    files = []
    for ending in endings:
        plain = folder / f"scan{ending.removesuffix('.gz')}"
        files.append(folder / f"scan{ending}")
        if ending.endswith(".gz"):
            files[-1].write_bytes(gzip.compress(plain.read_bytes()))
            plain.unlink()
    return files


@pytest.mark.parametrize("endings", [(".hdr", ".img"), (".hdr", ".img.gz"), (".hdr.gz", ".img.gz")])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.Nifti2Pair])
def test_nifti_in_two_files(tmp_path: Path, kind: Any, endings: tuple[str, str]) -> None:
    for file in pair(tmp_path, kind, endings):
        with open_stack(file) as stack:
            assert (stack.axis, stack.shape, stack.dtype) == ("z", VOLUME.shape, np.int16)
            np.testing.assert_allclose(np.array(stack.geometry.affine), TILTED, atol=1e-5)
            np.testing.assert_array_equal(stack.read(4), VOLUME[4])


def test_analyze(tmp_path: Path) -> None:
    header, _ = pair(tmp_path, nibabel.AnalyzeImage, (".hdr", ".img"))
    shutil.copy(header, tmp_path / "alone.hdr")
    with open_stack(header) as stack:
        np.testing.assert_array_equal(stack.read(2), VOLUME[2])
        # Analyze knows sizes alone; which way x runs is a convention of nibabel's.
        np.testing.assert_allclose(np.array(stack.geometry.affine), nibabel.load(header).affine)
    with pytest.raises(ValueError, match=r"alone.hdr cannot be read .*its other half, .hdr or .img, is not beside it"):
        open_stack(tmp_path / "alone.hdr")
    (tmp_path / "scan.hdr").write_text("ENVI\ndescription = {another program's header}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"scan.img cannot be read .*its header is neither NIfTI nor Analyze"):
        open_stack(tmp_path / "scan.img")


@pytest.mark.parametrize("ending", [".mgh", ".mgz"])
def test_freesurfer(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"brain{ending}"
    nibabel.save(nibabel.MGHImage(VOLUME.transpose(2, 1, 0), AFFINE), path)
    with open_stack(path) as stack:
        # Stored with the high byte first, which no tensor takes.
        assert (stack.axis, stack.shape, stack.dtype.isnative) == ("z", VOLUME.shape, True)
        assert stack.calibration == Calibration((0.75, 0.5), 3.0, "mm", "mm")
        np.testing.assert_allclose(np.array(stack.geometry.affine), AFFINE, atol=1e-5)
        np.testing.assert_array_equal(stack.read(5), VOLUME[5])


def test_freesurfer_over_time(tmp_path: Path) -> None:
    volumes = np.stack([VOLUME, VOLUME[::-1]])
    image = nibabel.MGHImage(volumes.transpose(3, 2, 1, 0), AFFINE)
    image.header.set_zooms((0.5, 0.75, 3, 2500))
    nibabel.save(image, tmp_path / "bold.mgz")
    with open_stack(tmp_path / "bold.mgz", axis="t", selection=Selection(at=1)) as stack:
        assert (stack.n_frames, stack.step, stack.step_unit) == (2, 2.5, "s")
        np.testing.assert_array_equal(stack.read(1), VOLUME[4])


def test_values_on_the_cortex_are_no_volume(tmp_path: Path) -> None:
    from nibabel.cifti2 import Cifti2Image, ScalarAxis
    from nibabel.cifti2.cifti2_axes import BrainModelAxis

    axes = (ScalarAxis(["one"]), BrainModelAxis.from_mask(np.ones((2, 2, 2), bool), "thalamus_left", np.eye(4)))
    nibabel.save(Cifti2Image(np.zeros((1, 8), np.float32), axes), tmp_path / "one.dscalar.nii")
    with pytest.raises(ValueError, match=r"one.dscalar.nii holds values on the cortex \(CIFTI\), which is no volume"):
        open_stack(tmp_path / "one.dscalar.nii")


# Headers as pynrrd and SimpleITK write them; the world is LPS, so that x and y change their signs.
LPS = np.diag([-1, -1, 1.0, 1]) @ TILTED


def vector(numbers: np.ndarray) -> str:
    return "(" + ",".join(f"{one:.17g}" for one in numbers) + ")"


def nrrd(path: Path, voxels: np.ndarray, encoding: str = "raw", said: str = "") -> Path:
    """Write (Z, Y, X) voxels as 3D Slicer does, attached to their header or beside it."""
    directions = " ".join(vector(LPS[:3, axis]) for axis in range(3))
    is_apart = path.suffix == ".nhdr"
    header = (
        f"NRRD0004\n# of a test\ntype: {voxels.dtype.name}\ndimension: {voxels.ndim}\n{said}"
        f"sizes: {' '.join(map(str, voxels.shape[::-1]))}\nspace: left-posterior-superior\n"
        f"space directions: {directions}\nkinds: domain domain domain\nendian: little\nencoding: {encoding}\n"
        f"space origin: {vector(LPS[:3, 3])}\n" + f"data file: {path.stem}.raw\n" * is_apart + "key:=value\n\n"
    )
    raw = voxels.astype(voxels.dtype.newbyteorder("<")).tobytes()
    text = " ".join(map(str, voxels.ravel())).encode()
    packed = {"raw": raw, "gzip": gzip.compress(raw), "ascii": text}[encoding]
    path.write_bytes(header.encode() + (b"" if is_apart else packed))
    if is_apart:
        path.with_suffix(".raw").write_bytes(packed)
    return path


def meta_image(path: Path, voxels: np.ndarray, *, packed: bool = False) -> Path:
    """Write (Z, Y, X) voxels as ITK does, with the voxels in the file or beside it."""
    turn = LPS[:3, :3] / np.linalg.norm(LPS[:3, :3], axis=0)
    name = {"int16": "MET_SHORT", "uint8": "MET_UCHAR"}[voxels.dtype.name]
    raw = voxels.astype(voxels.dtype.newbyteorder("<")).tobytes()
    data = zlib.compress(raw) if packed else raw
    is_apart = path.suffix == ".mhd"
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        f"CompressedData = {packed}\n"
        + f"CompressedDataSize = {len(data)}\n"
        * packed
        # A row for each axis of the image.
        + f"TransformMatrix = {' '.join(map(str, turn.T.ravel()))}\nOffset = {' '.join(map(str, LPS[:3, 3]))}\n"
        f"CenterOfRotation = 0 0 0\nElementSpacing = 0.5 0.75 3\nDimSize = {' '.join(map(str, voxels.shape[::-1]))}\n"
        f"ElementType = {name}\nElementDataFile = {path.stem + '.raw' if is_apart else 'LOCAL'}\n"
    )
    path.write_bytes(header.encode() + (b"" if is_apart else data))
    if is_apart:
        path.with_suffix(".raw").write_bytes(data)
    return path


WRITERS = {
    "nrrd": lambda folder, voxels: nrrd(folder / "a.nrrd", voxels),
    "packed nrrd": lambda folder, voxels: nrrd(folder / "a.nrrd", voxels, "gzip"),
    "nrrd in text": lambda folder, voxels: nrrd(folder / "a.nrrd", voxels, "ascii"),
    "nrrd apart": lambda folder, voxels: nrrd(folder / "a.nhdr", voxels, "gzip"),
    "MetaImage": lambda folder, voxels: meta_image(folder / "a.mha", voxels),
    "packed MetaImage": lambda folder, voxels: meta_image(folder / "a.mha", voxels, packed=True),
    "MetaImage apart": lambda folder, voxels: meta_image(folder / "a.mhd", voxels),
    "packed MetaImage apart": lambda folder, voxels: meta_image(folder / "a.mhd", voxels, packed=True),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_volumes_of_slicer_and_itk(tmp_path: Path, kind: str) -> None:
    path = WRITERS[kind](tmp_path, VOLUME)
    with open_stack(path) as stack:
        assert (stack.axis, stack.shape, stack.dtype) == ("z", VOLUME.shape, np.int16)
        np.testing.assert_allclose(np.array(stack.geometry.affine), TILTED, atol=1e-5)
        assert stack.calibration.pixel_size == pytest.approx((0.75, 0.5), rel=1e-3)
        for frame in (5, 0):
            np.testing.assert_array_equal(stack.read(frame), VOLUME[frame])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=rf"{path.name} cannot be read"), open_stack(path) as stack:
        stack.read(5)


@pytest.mark.parametrize("kind", ["nrrd", "MetaImage"])
def test_labels_of_one_kind_on_a_scan_of_another(tmp_path: Path, kind: str) -> None:
    """Prompts that lie on a NIfTI scan, and labels on a scan of these kinds that come back as NIfTI."""
    labels = np.zeros(VOLUME.shape, np.uint8)
    labels[2, 3:7, 4:9] = 5
    nibabel.save(nibabel.Nifti1Image(VOLUME.transpose(2, 1, 0), TILTED), tmp_path / "scan.nii")
    path = WRITERS[kind](tmp_path, labels)
    with open_stack(tmp_path / "scan.nii") as scan:
        (prompt,) = read_label_prompts(path, scan)
    assert (prompt.frame, prompt.object_id) == (2, 5)
    np.testing.assert_array_equal(prompt.mask, labels[2] == 5)
    with open_stack(path) as stack:
        written = nibabel.load(export_results(Results(labels, stack), "nifti", tmp_path / "result.nii.gz"))
    np.testing.assert_allclose(written.affine, TILTED, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(written.dataobj).T, labels)


def test_colour_as_itk_writes_it(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (6, 12, 16, 3)).astype(np.uint8)
    (tmp_path / "a.nrrd").write_bytes(
        b"NRRD0004\ntype: unsigned char\ndimension: 4\nspace: left-posterior-superior\nsizes: 3 16 12 6\n"
        b"space directions: none (1,0,0) (0,1,0) (0,0,1)\nkinds: vector domain domain domain\nencoding: raw\n"
        b"space origin: (0,0,0)\n\n" + colours.tobytes()
    )
    header = "NDims = 3\nDimSize = 16 12 6\nElementNumberOfChannels = 3\nElementType = MET_UCHAR\n"
    (tmp_path / "a.mha").write_bytes(f"{header}ElementDataFile = LOCAL\n".encode() + colours.tobytes())
    for name in ("a.nrrd", "a.mha"):
        with open_stack(tmp_path / name) as stack:
            assert (stack.shape, stack.is_rgb, stack.axis) == ((6, 12, 16), True, "z")
            np.testing.assert_array_equal(stack.read(4), colours[4])
    text = f"{header}ElementDataFile = LOCAL\n".replace("MET_UCHAR", "MET_FLOAT")
    (tmp_path / "a.mha").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="it has 3 float values for each voxel, which are neither grey nor colour"):
        open_stack(tmp_path / "a.mha")


def test_what_is_told_of_odd_files(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", VOLUME)
    said = path.read_bytes()
    cases = {
        b"kinds: vector domain domain": "an axis of vectors",
        b"kinds: domain domain domain\ndata file: slice%03d.raw 1 6 1": "its voxels lie in several files",
        b"kinds: domain domain domain\ndata file: gone.raw": "its voxels in gone.raw are not beside it",
    }
    for line, problem in cases.items():
        path.write_bytes(said.replace(b"kinds: domain domain domain", line))
        with pytest.raises(ValueError, match=rf"a.nrrd cannot be read: .*{problem}"):
            open_stack(path)
    path.write_bytes(b"NRRD0004\nencoding: raw\n\n")
    with pytest.raises(ValueError, match=r"a.nrrd cannot be read: it does not say 'sizes'"):
        open_stack(path)
