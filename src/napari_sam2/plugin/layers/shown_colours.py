"""Image layers that lie on each other, as the colours that the viewer makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

from .placement import Placement, UnrelatedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from numpy.typing import NDArray

# Bytes of a table of colours, and the longest name that a file may give a layer.
_TABLE, _LONGEST = 256 * 3, 1000


@dataclass(frozen=True)
class ChannelLook:
    """How a layer is shown: its colours between two pixel values."""

    # The layer, by name where it was read from a file.
    name: str
    window: tuple[float, float]
    # (256, 3) uint8 as bytes, so that looks can be compared.
    table: bytes = field(repr=False)
    layer: Image | None = field(default=None, repr=False)

    @classmethod
    def of(cls, layer: Image) -> Self:
        """Read contrast limits, gamma, colours and opacity of a layer."""
        low, high = layer.contrast_limits
        colours = np.asarray(layer.colormap.map(np.linspace(0, 1, 256) ** layer.gamma), float)
        table = np.rint(255 * layer.opacity * colours[:, :3] * colours[:, 3:]).astype(np.uint8)
        return cls(layer.name, (float(low), float(high)), table.tobytes(), layer)

    @property
    def colours(self) -> NDArray[np.uint8]:
        """The table as an array."""
        return np.frombuffer(self.table, np.uint8).reshape(256, 3)

    def is_like(self, other: ChannelLook) -> bool:
        """Whether another layer or this one is shown alike, whatever its name is now."""
        return (self.window, self.table, self.layer) == (other.window, other.table, other.layer)

    def to_json(self) -> dict[str, Any]:
        """Turn into values that JSON has."""
        return {"layer": self.name, "window": list(self.window), "table": self.table.hex()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned; an error if it is damaged."""
        low, high = map(float, values["window"])
        table = bytes.fromhex(values["table"])
        if not np.isfinite([low, high]).all() or low >= high or len(table) != _TABLE:
            raise ValueError("the colours of a channel are damaged")
        return cls(str(values["layer"])[:_LONGEST], (low, high), table)


Looks = tuple[ChannelLook, ...]


def lie_on(image: Image, layers: Iterable[Any]) -> list[Image]:
    """Find the grey image layers whose pixels lie on those of an image, itself first."""
    return [image, *(layer for layer in layers if layer is not image and not image.rgb and _is_on(layer, image))]


def looks_of(image: Image, layers: Iterable[Any]) -> Looks:
    """How the layers are shown that make an image's colours: those in sight; none where it is alone."""
    shown = [layer for layer in lie_on(image, layers) if layer.visible or layer is image]
    return tuple(map(ChannelLook.of, shown)) if len(shown) > 1 else ()


def found_in(looks: Looks, image: Image, layers: Iterable[Any]) -> Looks | None:
    """Find the layers of looks that were read from a file, by their names; None where one is not there."""
    # The last of a name is the topmost.
    known = {layer.name: layer for layer in lie_on(image, layers)}
    if any(look.name not in known for look in looks):
        return None
    return tuple(ChannelLook(look.name, look.window, look.table, known[look.name]) for look in looks)


def are_alike(some: Looks, others: Looks) -> bool:
    """Whether layers are shown alike."""
    return len(some) == len(others) and all(one.is_like(other) for one, other in zip(some, others, strict=True))


def _is_on(layer: Any, image: Image) -> bool:
    if not isinstance(layer, Image) or layer.rgb or layer.ndim != image.ndim:
        return False
    shape, other = ((x.data[0] if x.multiscale else x.data).shape for x in (layer, image))
    try:
        return tuple(shape) == tuple(other) and Placement.of(layer, image).is_same_grid(shape)
    except UnrelatedError:
        return False
