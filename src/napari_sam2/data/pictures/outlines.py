"""Drawing of objects over a frame: colours, smooth outlines, captions and tags."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from napari_sam2.data.labels.label_storage import LabelRuns
from napari_sam2.data.labels.scores import Measures, measure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

Color = tuple[int, int, int]

# Opacity of the fill, widths of outline and dark rim in picture pixels, and opacity of the rim.
_FILL = 0.22
_LINE_WIDTH = 1.8
_HALO_WIDTH = 1.0
_HALO = 0.45
# Outlines are drawn this much larger and averaged down, which smooths their edges.
_OVERSAMPLING = 2
# Outlines of corners lose those that lie nearer to the straight line than this, in pixels.
_TOLERANCE = 0.3
# Degrees.
_GOLDEN_ANGLE = 137.508
_TAG_SIZE = 12
# How much of an object's width and height a text may take.
_TAG_SHARE = (0.7, 0.3)
# Lightness varies as well, so that colours differ for people who see few hues.
_LIGHTNESS = (0.76, 0.68, 0.84)


@lru_cache(maxsize=4096)
def object_color(object_id: int) -> Color:
    """Return an object's colour, always the same for the same id.

    Hues turn by the golden angle, so that the colours of any run of ids lie far apart.
    """
    hue = math.radians(200 + _GOLDEN_ANGLE * (object_id - 1))
    lightness = _LIGHTNESS[(object_id - 1) % len(_LIGHTNESS)]
    return _from_oklab(lightness, 0.15 * math.cos(hue), 0.15 * math.sin(hue))


def draw_objects(image: NDArray[np.uint8], labels: NDArray[Any], size: tuple[int, int]) -> Image.Image:
    """Draw every object's outline and a faint fill over a (Y, X, 3) frame, resized to (width, height)."""
    # In float, since many objects may blend into one pixel.
    picture = np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS), np.float32)
    # Frames are enlarged first and outlines drawn at that size: enlarged outlines would be blurred or stepped.
    for object_id, measures in measure(LabelRuns.of(labels)).items():
        _blend(picture, labels == object_id, measures.crop, object_color(object_id))
    return Image.fromarray(np.clip(picture.round(), 0, 255).astype(np.uint8))


def outline_corners(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N, 2) corners (y, x) of the outline around the largest piece of a mask, between its pixels and the others."""
    # Loaded here: it takes long to import.
    from skimage.measure import approximate_polygon, find_contours

    contour = max(find_contours(np.pad(mask, 1).astype(float), 0.5), key=len)
    return np.asarray(approximate_polygon(contour, _TOLERANCE)[:-1] - 1, np.float64)


def draw_caption(picture: Image.Image, text: str) -> None:
    """Write a caption on a dark ground into the upper left corner, if the picture is wide enough for it."""
    draw = ImageDraw.Draw(picture, "RGBA")
    left, top, right, bottom = draw.textbbox((12, 9), text, font=font(14))
    # A caption that is cut off helps nobody.
    if right + 6 > picture.width:
        return
    draw.rounded_rectangle((left - 6, top - 4, right + 6, bottom + 4), 5, fill=(0, 0, 0, 150))
    draw.text((12, 9), text, font=font(14), fill=(255, 255, 255, 255))


def draw_tags(picture: Image.Image, labels: NDArray[Any], tags: Mapping[int, Sequence[str]]) -> None:
    """Write onto every object the first of its texts that fits, in its colour on a dark ground."""
    draw = ImageDraw.Draw(picture, "RGBA")
    scale = picture.width / labels.shape[1], picture.height / labels.shape[0]
    letters = font(max(_TAG_SIZE, picture.height // 50))
    measured = measure(LabelRuns.of(labels))
    for object_id, texts in tags.items():
        _, centroid, bbox = measured.get(object_id, Measures())
        if centroid is None or bbox is None:
            continue
        # A tag must not hide the object that it names.
        room = (bbox[3] - bbox[1]) * scale[0] * _TAG_SHARE[0], (bbox[2] - bbox[0]) * scale[1] * _TAG_SHARE[1]
        boxes = [draw.textbbox((0, 0), text, font=letters) for text in texts]
        fitting = [index for index, box in enumerate(boxes) if box[2] - box[0] < room[0] and box[3] - box[1] < room[1]]
        if fitting:
            left, top, right, bottom = boxes[fitting[0]]
            # Pixel (0, 0) has its centre at half a pixel of the picture.
            x = round((centroid[1] + 0.5) * scale[0] - (right - left) / 2)
            y = round((centroid[0] + 0.5) * scale[1] - (bottom - top) / 2)
            ground = x - 3, y - 2, x + right - left + 3, y + bottom - top + 2
            draw.rounded_rectangle(ground, 3, fill=(0, 0, 0, 130))
            draw.text((x - left, y - top), texts[fitting[0]], font=letters, fill=(*object_color(object_id), 255))


@lru_cache(maxsize=16)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, which is there on every computer, at a height in pixels."""
    return ImageFont.load_default(size)


def _blend(picture: NDArray[np.float32], mask: NDArray[np.bool_], extent: tuple[slice, slice], color: Color) -> None:
    """Blend one object into the picture, looking no further than its own surroundings."""
    scale = np.array(picture.shape[:2]) / mask.shape
    margin = 4
    # With room for the rim, which lies outside of the object.
    starts = [max(0, math.floor(side.start * s) - margin) for side, s in zip(extent, scale, strict=True)]
    stops = [
        min(length, math.ceil(side.stop * s) + margin)
        for side, s, length in zip(extent, scale, picture.shape, strict=False)
    ]
    fill, line, halo = _coverage(mask, starts, stops, scale)
    area = picture[starts[0] : stops[0], starts[1] : stops[1]]
    # A dark rim sets bright outlines off from bright images.
    area *= 1 - _HALO * halo[..., None]
    opacity = np.maximum(_FILL * fill, line)[..., None]
    area += opacity * (np.asarray(color, np.float32) - area)


def _coverage(
    mask: NDArray[np.bool_], starts: list[int], stops: list[int], scale: NDArray[np.float64]
) -> list[NDArray[np.float32]]:
    """Compute the share (0 to 1) of each picture pixel that inside, outline and dark rim of an object cover."""
    height, width = (_OVERSAMPLING * (stop - start) for start, stop in zip(starts, stops, strict=True))
    # The same area in pixels of the mask; Pillow refuses boxes that reach over the edge by a rounding error.
    box = (starts[1] / scale[1], starts[0] / scale[0], stops[1] / scale[1], stops[0] / scale[0])
    box = (*box[:2], min(box[2], mask.shape[1]), min(box[3], mask.shape[0]))
    smooth = Image.fromarray(mask.astype(np.uint8) * 255).resize((width, height), Image.Resampling.BICUBIC, box=box)
    # A mask enlarged bicubically and cut at one half has a smooth outline instead of steps.
    inside = np.asarray(smooth) > 127
    # Padded with itself: an object cut by the picture's edge has no outline there.
    depth = ndimage.distance_transform_edt(np.pad(inside, 1, mode="edge"))[1:-1, 1:-1]
    distance = ndimage.distance_transform_edt(~inside)
    line = inside & (depth <= _OVERSAMPLING * _LINE_WIDTH)
    halo = ~inside & (distance <= _OVERSAMPLING * _HALO_WIDTH)
    # Averages over blocks, as four axes.
    shape = (height // _OVERSAMPLING, _OVERSAMPLING, width // _OVERSAMPLING, _OVERSAMPLING)
    return [part.reshape(shape).mean(axis=(1, 3), dtype=np.float32) for part in (inside, line, halo)]


def _from_oklab(lightness: float, a: float, b: float) -> Color:
    """Convert from Oklab, where equal steps look equal, to sRGB."""
    lms = (
        np.array(
            [
                lightness + 0.3963377774 * a + 0.2158037573 * b,
                lightness - 0.1055613458 * a - 0.0638541728 * b,
                lightness - 0.0894841775 * a - 1.2914855480 * b,
            ]
        )
        ** 3
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(to_rgb @ lms, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (int(value) for value in (encoded * 255).round())
    return red, green, blue
