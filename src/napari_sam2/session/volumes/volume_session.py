"""Sessions for time-lapses of volumes: objects are tracked through z, and from each volume to the next in time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from napari_sam2.data.files.atomic_files import read_json, write_json
from napari_sam2.data.formats.volume_labels import VolumeLabels
from napari_sam2.data.images.pixels.contrast import choose_window
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.images.volume_series import VolumeSeries
from napari_sam2.data.labels.scores import ScoreTable
from napari_sam2.data.prompts.fit import check_prompt
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.model.sam2 import Sam2
from napari_sam2.session.session import Session
from napari_sam2.session.tracking.memory.policies import policy_name
from napari_sam2.session.zoom.crop_size import make_zoom

from .volume_pass import VolumePass, VolumeVisit, plan_visits

if TYPE_CHECKING:
    import pandas as pd

# File in the folder that describes the work whose volumes lie there.
HEADER = "volumes.json"
# The rule of memory of work that names none: it was begun before there was a choice.
_FIRST_RULE = "standard"


@dataclass(frozen=True)
class VolumeStep:
    """Progress of tracking: one plane of a volume.

    Attributes
    ----------
    time, plane : int
        Which one.
    done, planned : int
        Volumes finished, and volumes to track in all.
    """

    time: int
    plane: int
    done: int
    planned: int


class VolumeSession:
    """Prompts and results of a time-lapse of volumes.

    At a prompted time point each object is tracked through z. From there on, forward and backward in time, its masks on
    a few planes are tracked to the next time point, and from those planes through z again: an object may move up and
    down, and out of planes and into others, and keeps its id.

    Parameters
    ----------
    model : Sam2
        From `napari_sam2.load_model`.
    volumes : VolumeSeries or array-like
        (T, Z, Y, X). Planes are read when they are needed and not held.
    contrast_limits : sequence of float, optional
        Values shown black and white, one pair for all volumes; chosen from a sample of planes where not given.
    fill_hole_area : int, default: 8
        As for `Session`.
    zoom : str or float, optional
        As for `Session`.
    memory : str
        As for `Session`.
    folder : str or path-like, optional
        Finished volumes are kept there as files, and found there by a later session of the same work; in memory,
        compressed, where not given.

    Attributes
    ----------
    is_complete : bool
        Whether the last call of `propagate` came to its end.

    Raises
    ------
    ValueError
        If an argument is out of range or the volumes have no four axes.
    """

    def __init__(
        self,
        model: Sam2,
        volumes: VolumeSeries | ArrayLike,
        *,
        contrast_limits: Sequence[float] | None = None,
        fill_hole_area: int = 8,
        zoom: str | float | None = None,
        memory: str = "auto",
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        # Checked now: the sessions that take it are made only when tracking begins.
        if zoom is not None:
            make_zoom(zoom, model.config.image_size)
        self.model = model
        self.volumes = volumes if isinstance(volumes, VolumeSeries) else VolumeSeries.from_array(volumes)
        self.folder = None if folder is None else Path(folder)
        # One window for all volumes: each session choosing its own would make objects change brightness over time.
        self.window = choose_window(self.volumes.planes, contrast_limits)
        self._holes, self._zoom = fill_hole_area, zoom
        self._memory, self._any_memory = policy_name(memory, exact=model.options.preset == "exact"), memory == "auto"
        # By time point, then by plane and object.
        self._prompts: dict[int, dict[tuple[int, int], Prompt]] = {}
        self._labels: VolumeLabels | None = None
        self.is_complete = False

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Labels of the objects, in the order they were prompted."""
        return tuple(dict.fromkeys(key[1] for prompts in self._prompts.values() for key in prompts))

    @property
    def labels(self) -> VolumeLabels:
        """The labels so far, (T, Z, Y, X)."""
        if self._labels is None:
            return VolumeLabels(self.volumes.shape)
        return self._labels

    @property
    def scores(self) -> pd.DataFrame:
        """Table with a row per object, time point ``t`` and plane ``z``; else as that of `Session`."""
        return volume_table(self.labels.scores, self.volumes.n_planes)

    def add_prompt(self, time: int, prompt: Prompt) -> None:
        """Prompt an object on a plane of a volume.

        Later time points may be prompted, too: there the object is tracked from the prompts, whatever it was before.

        Parameters
        ----------
        time : int
            Index of the volume.
        prompt : Prompt
            Its `frame` is the plane; in place of an earlier one about the same object and plane.

        Raises
        ------
        ValueError
            If something is out of range.
        """
        self.volumes.check_time(time)
        check_prompt(prompt, self.volumes.shape[1:])
        self._prompts.setdefault(time, {})[prompt.frame, prompt.object_id] = prompt

    def propagate(self) -> Iterator[VolumeStep]:
        """Track all objects through all volumes, forward and backward from their first prompted time points.

        Volumes that the folder holds already are not tracked again.

        Returns
        -------
        iterator of VolumeStep
            A step per plane. It can be closed at any plane; volumes finished by then are kept, and another call goes
            on with the rest.

        Raises
        ------
        ValueError
            At once, if there are no prompts, or the folder holds work on other volumes or prompts.
        """
        if not self._prompts:
            raise ValueError("there is nothing to track: no object has a prompt yet")
        # Prompts are fixed from here on: the folder is only used for exactly this work.
        self._labels = self._open_labels()
        self.is_complete = False
        return self._steps(self._labels)

    def _open_labels(self) -> VolumeLabels:
        if self.folder is None:
            return VolumeLabels(self.volumes.shape)
        header = self.folder / HEADER
        begun = read_json(header) if header.is_file() else None
        # Work goes on with the rule that it was begun with, where none is asked for.
        if self._any_memory and isinstance(begun, dict):
            self._memory = begun.get("memory", _FIRST_RULE)
        work = self._fingerprint()
        # Finished volumes are only reused if everything they depend on is the same.
        if self.folder.exists() and any(self.folder.iterdir()):
            if begun != work:
                raise ValueError(
                    f"{self.folder} holds something else than this work, half done: name another folder, or remove it"
                )
        else:
            # The description comes first: volumes in a folder always belong to the work that it names.
            write_json(header, work)
        return VolumeLabels(self.volumes.shape, folder=self.folder)

    def _fingerprint(self) -> dict[str, object]:
        """Describe everything that the results depend on, to compare it with that of volumes in the folder."""
        from napari_sam2.storage.fingerprint import describe_model, model_identity, sample_hash

        digest = hashlib.sha256()
        # Everything about the prompts in a fixed order; masks by their pixels.
        for time, prompts in sorted(self._prompts.items()):
            for prompt in prompts.values():
                mask = None if prompt.mask is None else prompt.mask.tobytes()
                points = None if prompt.points is None or prompt.labels is None else prompt.points.tolist()
                marks = None if prompt.labels is None else prompt.labels.tolist()
                digest.update(repr((time, prompt.frame, prompt.object_id, points, marks, prompt.box)).encode())
                digest.update(mask or b"")
        window = None if self.window is None else [self.window.low, self.window.high]
        rules = {} if self._memory == _FIRST_RULE else {"memory": self._memory}
        return {
            "volumes": list(self.volumes.shape),
            "sample": sample_hash(self.volumes.planes),
            "prompts": digest.hexdigest(),
            "window": window,
            "model": model_identity(describe_model(self.model)),
            "fill_hole_area": self._holes,
            "zoom": self._zoom,
            **rules,
        }

    def _steps(self, labels: VolumeLabels) -> Iterator[VolumeStep]:
        plan = self._plan()
        for done, visit in enumerate(plan):
            # Finished in an earlier call or session.
            if labels.has_rows(visit.time, visit.object_ids):
                continue
            volume = VolumePass(visit, self.volumes, labels, self._session)
            for plane in volume.track(list(self._prompts.get(visit.time, {}).values())):
                yield VolumeStep(visit.time, plane, done, len(plan))
            # Only a finished volume is kept: an interruption costs one volume at most.
            labels.set(visit.time, volume.labels, volume.scores, self.volumes.volume(visit.time))
        self.is_complete = True

    def _plan(self) -> list[VolumeVisit]:
        # Each object starts at the earliest time point at which it is prompted.
        first: dict[int, int] = {}
        for time, prompts in sorted(self._prompts.items()):
            for _, object_id in prompts:
                first.setdefault(object_id, time)
        return plan_visits(first, self.volumes.n_times)

    def _session(self, stack: Stack) -> Session:
        limits = None if self.window is None else (self.window.low, self.window.high)
        return Session(
            self.model,
            stack,
            contrast_limits=limits,
            fill_hole_area=self._holes,
            zoom=self._zoom,
            memory=self._memory,
        )


def volume_table(scores: ScoreTable, n_planes: int) -> pd.DataFrame:
    """Make a table with columns ``t`` and ``z`` of scores whose frames are all planes, time point by time point."""
    table = scores.to_pandas()
    frames = table.pop("frame")
    table.insert(0, "t", frames // n_planes)
    table.insert(1, "z", frames % n_planes)
    return table
