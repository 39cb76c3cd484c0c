"""`Results`: labels, scores and images, from which every format is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_sam2.data.images.geometry import Geometry
from napari_sam2.data.labels.label_stack import LabelStack
from napari_sam2.data.labels.label_storage import LabelRuns
from napari_sam2.data.labels.object_classes import NO_CLASS, number_classes
from napari_sam2.data.labels.plane_labels import PlaneLabels
from napari_sam2.data.labels.scores import ScoreTable, measure
from napari_sam2.data.pictures.backgrounds import USUAL_BLUR

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_sam2.data.formats.volume_labels import VolumeLabels
    from napari_sam2.data.images.axes import Axis
    from napari_sam2.data.images.pixels.contrast import Window
    from napari_sam2.data.images.stack import Stack
    from napari_sam2.data.images.volume_series import VolumeSeries
    from napari_sam2.data.labels.lineage import Lineage
    from napari_sam2.data.pictures.outlines import Color


@dataclass(frozen=True, eq=False)
class Results:
    """Labels and scores of a stack, with the images they belong to.

    Attributes
    ----------
    labels : LabelStack, PlaneLabels or ndarray
        (T, Y, X) object ids, 0 for background.
    stack : Stack
        Of the same shape: the images, or a stand-in that has their axis and sizes only.
    scores : ScoreTable
        A row per object and frame; may be empty.
    names : mapping
        Names of objects that have one.
    window : Window or None
        Pixel values shown black and white; found from the images where not given.
    has_pixels : bool
        Whether `stack` is the images themselves.
    background : tuple of int
        Red, green and blue that take the place of a removed background.
    blur : float
        How strongly a background is blurred, as a share of a frame's longer side.
    lineage : Lineage or None
        Who came from whom, where that is known.
    classes : mapping
        What kind of object each is, of those of which that is said.
    out_of_date : int
        How many frames an edit has put out of date and no update has tracked again; it is warned of when they are
        written.
    volumes : VolumeSeries or None
        For volumes over time, made by `of_volumes`: `stack` and `labels` are then all their planes, time point by time
        point.

    Raises
    ------
    ValueError
        If the labels have another shape than the stack.
    """

    labels: LabelStack | PlaneLabels | NDArray[Any]
    stack: Stack
    scores: ScoreTable = field(default_factory=ScoreTable)
    names: Mapping[int, str] = field(default_factory=dict)
    window: Window | None = None
    has_pixels: bool = True
    background: Color = (0, 0, 0)
    blur: float = USUAL_BLUR
    volumes: VolumeSeries | None = None
    lineage: Lineage | None = None
    classes: Mapping[int, str] = field(default_factory=dict)
    out_of_date: int = 0

    def __post_init__(self) -> None:
        # A mismatch would otherwise surface in the middle of writing, and differently in each format.
        if tuple(self.labels.shape) != self.stack.shape:
            raise ValueError(f"labels of shape {tuple(self.labels.shape)} do not fit a stack of {self.stack.shape}")

    @classmethod
    def of_volumes(cls, labels: VolumeLabels, volumes: VolumeSeries, window: Window | None = None) -> Results:
        """Take labels of volumes over time, with their scores.

        Parameters
        ----------
        labels : VolumeLabels
            (T, Z, Y, X).
        volumes : VolumeSeries
            The images, of the same shape.
        window : Window, optional
            Pixel values shown black and white.

        Returns
        -------
        Results
            With all planes as one stack.

        Raises
        ------
        ValueError
            If the labels have another shape than the volumes.
        """
        return cls(labels.planes, volumes.planes, labels.scores, window=window, volumes=volumes)

    @cached_property
    def parents(self) -> dict[int, int]:
        """The object that each was born of, of those of which that is known."""
        return {} if self.lineage is None else {one.label: one.parent for one in self.lineage.tracks if one.parent}

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes of the labels: (T, Y, X), or (T, Z, Y, X) for volumes over time."""
        return self.stack.axes if self.volumes is None else self.volumes.axes

    @property
    def geometry(self) -> Geometry:
        """Where the labels lie, as an image of their own."""
        if self.volumes is None:
            return self.stack.geometry.taken()
        return Geometry(self.volumes.axes, affine=self.volumes.geometry.affine)

    @cached_property
    def object_ids(self) -> list[int]:
        """The objects that have pixels somewhere, in rising order."""
        # Both storages know their objects without unpacking frames; an array is searched.
        if isinstance(self.labels, LabelStack):
            return sorted({i for frame in self.labels.frames_done for i in self.labels.object_ids(frame)})
        if isinstance(self.labels, PlaneLabels):
            return self.labels.object_ids
        return sorted({i for image in self.labels for i in LabelRuns.of(image).object_ids})

    def name_of(self, object_id: int) -> str:
        """Return an object's name, or ``"object N"``."""
        return self.names.get(object_id) or f"object {object_id}"

    def class_of(self, object_id: int) -> str:
        """Return an object's class, or ``"object"``."""
        return self.classes.get(object_id) or NO_CLASS

    @cached_property
    def class_numbers(self) -> dict[str, int]:
        """The classes of all objects by name, numbered from 1 on."""
        return number_classes(map(self.class_of, self.object_ids))

    def regions(self) -> Iterator[Region]:
        """Iterate over every object of every frame, frame by frame, in the order of their ids."""
        for frame in range(self.stack.n_frames):
            yield from regions_of(self.labels[frame], frame)


class Region(NamedTuple):
    """Where an object is on a frame.

    Attributes
    ----------
    frame, object_id : int
        Which.
    area : tuple of slice
        Rows and columns of its bounding box.
    mask : ndarray
        (h, w) bool, the object inside that box.
    """

    frame: int
    object_id: int
    area: tuple[slice, slice]
    mask: NDArray[np.bool_]


def regions_of(image: NDArray[Any], frame: int) -> Iterator[Region]:
    """Iterate over the objects of a label image.

    Parameters
    ----------
    image : ndarray
        (Y, X) ids, 0 for background.
    frame : int
        Index stored in the regions.

    Yields
    ------
    Region
        In the order of their ids.
    """
    # Boxes for all objects come from one pass; each mask is then compared within its box only.
    for object_id, measures in measure(LabelRuns.of(image)).items():
        yield Region(frame, object_id, measures.crop, image[measures.crop] == object_id)
