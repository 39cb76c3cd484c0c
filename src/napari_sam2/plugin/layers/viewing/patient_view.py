"""Which way up a medical scan is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam2.plugin.layers.placement import SCANNER_KEY

if TYPE_CHECKING:
    from napari.components import Camera

_NAPARI = ("down", "right")
# The world of scans grows to the patient's right, front and head; readers of scans want the right on the left.
_RADIOLOGY = ("up", "left")


def face_patient(camera: Camera, left: Any, image: Any) -> None:
    """Show a scan with head or front up and the patient's right on the left, as viewers of scans do.

    ``left`` is the image that was on show before. An orientation that the user has chosen stays.
    """
    before, now = (_RADIOLOGY if _is_scan(layer) else _NAPARI for layer in (left, image))
    if camera.orientation2d == before != now:
        camera.orientation2d = now


def _is_scan(layer: Any) -> bool:
    return layer is not None and SCANNER_KEY in layer.metadata
