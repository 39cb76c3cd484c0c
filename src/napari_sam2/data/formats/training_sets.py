"""Export of frames with the classes of their objects, as YOLO and nnU-Net take them for training."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from scipy.ndimage import label

from napari_sam2.data.files.atomic_files import write_json
from napari_sam2.data.images.pixels.contrast import choose_window, to_rgb8
from napari_sam2.data.labels.object_classes import NO_CLASS, number_classes
from napari_sam2.data.pictures.outlines import outline_corners

from .export_data import regions_of
from .medical import save_nifti

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam2.data.images.stack import Stack

    from .export_data import Results

_YOLO, _NNUNET = ("images", "labels", "data.yaml"), ("imagesTr", "labelsTr", "dataset.json")


def write_yolo(path: Path, results: Results) -> None:
    """Write the layout of Ultralytics' YOLO for segmentation: images, a text file of outlines for each, ``data.yaml``.

    A line is a class, counted from 0, and corners as shares of width and height; pieces have lines of their own.
    """
    numbers = _numbers(results)
    for folder in _YOLO[:2]:
        (path / folder).mkdir(parents=True)
    window = results.window or choose_window(results.stack)
    height, width = results.stack.shape[1:]
    for frame in range(results.stack.n_frames):
        name, lines = f"frame_{frame:05}", []
        for region in regions_of(results.labels[frame], frame):
            pieces, count = label(region.mask, np.ones((3, 3), bool))
            for piece in range(1, count + 1):
                corners = outline_corners(pieces == piece) + [side.start + 0.5 for side in region.area]
                shares = (corners / (height, width))[:, ::-1].ravel()
                kind = numbers[results.class_of(region.object_id)] - 1
                lines.append(" ".join([str(kind), *(f"{share:.6f}" for share in shares.clip(0, 1))]))
        Image.fromarray(to_rgb8(results.stack.read(frame), window)).save(path / "images" / f"{name}.png")
        (path / "labels" / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    # A text in quotes as JSON has it is one in YAML, too.
    names = "".join(f"  {number - 1}: {json.dumps(name)}\n" for name, number in numbers.items())
    (path / "data.yaml").write_text(f"path: .\ntrain: images\nval: images\nnames:\n{names}", encoding="utf-8")


def write_nnunet(path: Path, results: Results) -> None:
    """Write a data set for nnU-Net 2, with classes as values: a PNG for each frame in time, one NIfTI in depth.

    The folder is to be named ``DatasetNNN_NAME`` among nnU-Net's raw data.
    """
    stack, numbers = results.stack, _numbers(results)
    for folder in _NNUNET[:2]:
        (path / folder).mkdir(parents=True)
    n_channels = stack.read(0).shape[-1] if stack.is_rgb else 1
    if stack.axis == "z":
        ending, n_cases = ".nii.gz", 1
        frames = np.stack([stack.read(frame) for frame in range(stack.n_frames)])
        for channel, voxels in enumerate(np.moveaxis(frames.reshape(*stack.shape, -1), -1, 0)):
            save_nifti(path / "imagesTr" / f"volume_{channel:04}.nii.gz", voxels, stack)
        classes = np.stack([_classes(results.labels[frame], results) for frame in range(stack.n_frames)])
        save_nifti(path / "labelsTr" / "volume.nii.gz", classes, stack)
    else:
        ending, n_cases = ".png", stack.n_frames
        for frame in range(stack.n_frames):
            Image.fromarray(_as_png(stack.read(frame), results)).save(path / "imagesTr" / f"frame_{frame:05}_0000.png")
            Image.fromarray(_classes(results.labels[frame], results)).save(path / "labelsTr" / f"frame_{frame:05}.png")
    described = {
        "channel_names": {str(channel): f"channel {channel}" for channel in range(n_channels)},
        "labels": {"background": 0, **numbers},
        "numTraining": n_cases,
        "file_ending": ending,
    }
    write_json(path / "dataset.json", described)


def check_nnunet(stack: Stack) -> None:
    """Check that nnU-Net's cases can be written of a stack."""
    if not stack.is_axis_known:
        raise ValueError(
            "nnU-Net has a case for each frame in time and one in depth, and the stack does not say which its frames "
            "are: say so with axis (--axis t or --axis z)"
        )


def is_yolo(path: Path) -> bool:
    """Tell whether a folder holds nothing but what `write_yolo` writes."""
    return _holds(path, _YOLO)


def is_nnunet(path: Path) -> bool:
    """Tell whether a folder holds nothing but what `write_nnunet` writes."""
    return _holds(path, _NNUNET)


def _holds(path: Path, names: tuple[str, ...]) -> bool:
    known = all(one.name in names for one in path.iterdir())
    return known and not any(inner.is_dir() for one in path.iterdir() if one.is_dir() for inner in one.iterdir())


def _numbers(results: Results) -> dict[str, int]:
    numbers = results.class_numbers or number_classes([NO_CLASS])
    if len(numbers) > np.iinfo(np.uint8).max:
        raise ValueError(f"up to 255 classes can be written, and there are {len(numbers)}")
    return numbers


def _classes(image: NDArray[Any], results: Results) -> NDArray[np.uint8]:
    """Numbers of the classes in place of the (Y, X) ids of objects."""
    ids, places = np.unique(image, return_inverse=True)
    values = [results.class_numbers[results.class_of(object_id)] if object_id else 0 for object_id in ids.tolist()]
    return np.array(values, np.uint8)[places].reshape(image.shape)


def _as_png(frame: NDArray[Any], results: Results) -> NDArray[Any]:
    """Values that a PNG can hold: as stored, or mapped to 8 bits."""
    if frame.dtype == np.uint8 or (frame.dtype == np.uint16 and frame.ndim == 2):
        return frame
    shown = to_rgb8(frame, results.window or choose_window(results.stack))
    return shown if frame.ndim == 3 else shown[..., 0]
