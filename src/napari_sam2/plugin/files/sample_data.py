"""Sample data for napari's File menu: generated image stacks, as layers with their axes and pixel sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2.synthetic.samples import make_sample

if TYPE_CHECKING:
    from napari.types import LayerDataTuple


def cells() -> list[LayerDataTuple]:
    """Open a time-lapse of fluorescent cells: one image layer, (T, Y, X) uint16."""
    return [_image_layer("cells")]


def z_stack() -> list[LayerDataTuple]:
    """Open a scan of a body with organs: one image layer, (Z, Y, X) float32."""
    return [_image_layer("zstack")]


def endoscope() -> list[LayerDataTuple]:
    """Open a colour video in which a tool hides a polyp for a while: one image layer, (T, Y, X, 3) uint8."""
    return [_image_layer("endoscope")]


def _image_layer(name: str) -> LayerDataTuple:
    sample = make_sample(name)
    length = sample.unit or "pixel"
    options: dict[str, Any] = {
        "name": name,
        "rgb": sample.frames.ndim == 4,
        "axis_labels": (sample.axis, "y", "x"),
        "scale": (sample.step or 1, *(sample.pixel_size or (1, 1))),
        # Without a step of its own the first axis counts frames.
        "units": (length if sample.step else "pixel", length, length),
    }
    return sample.frames, options, "image"
