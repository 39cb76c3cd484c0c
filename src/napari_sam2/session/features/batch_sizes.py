"""How much goes through the model together."""

from __future__ import annotations

from napari_sam2.model.config import Sam2Config

# Objects go through the model together as long as their inputs have no more pixels than this in all, which takes a
# quarter of a gigabyte for a moment. More at once is no faster: the products are large enough.
PIXELS_AT_ONCE = 4 * 1024**2
MOST_AT_ONCE = 16


def objects_at_once(config: Sam2Config) -> int:
    """How many objects go through the model together: 4 at an input of 1,024 pixels, 16 at 512 and below."""
    return min(max(PIXELS_AT_ONCE // config.image_size**2, 1), MOST_AT_ONCE)


def windows_at_once(config: Sam2Config) -> int:
    """How many windows are encoded together: an encoder pass takes more memory than all that follows."""
    return max(objects_at_once(config) // 4, 1)
