"""The parts of a session whose model is on a worker: as those of a local one, but what costs is asked for."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_sam2.data.images.stack import Stack
from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.model.sam2 import ImageFeatures, Sam2
from napari_sam2.session.features.frame_encoder import FrameEncoder
from napari_sam2.session.model_parts import PartsSettings
from napari_sam2.session.population.finder import FindOptions, ObjectFinder
from napari_sam2.session.population.found_objects import FoundObjects
from napari_sam2.session.population.proposals.candidates import Candidate
from napari_sam2.session.prompting.predictor import PromptPredictor
from napari_sam2.session.tracking.frame_tracker import FrameTracker
from napari_sam2.session.tracking.memory_bank import FrameMemory
from napari_sam2.session.tracking.object_track import ObjectTrack
from napari_sam2.session.tracking.prompt_tensors import Mask
from napari_sam2.session.zoom.crop import Crop

from .line import Line
from .packing import PackedArray, pack
from .protocol import StackThere
from .session_line import SessionLine


class RemoteEncoder(FrameEncoder):
    """Reads the frames that the worker has to have; features stay there."""

    def __init__(self, model: Sam2, stack: Stack, settings: PartsSettings, line: Line) -> None:
        super().__init__(model, stack, contrast_limits=settings.contrast_limits, cache_bytes=settings.cache_bytes)
        self._settings = settings
        self.line = SessionLine(line, self)

    @property
    def stack_there(self) -> StackThere:
        """The stack, as the worker has to know it."""
        stack, window = self.stack, self.window
        shape = (*stack.shape, 3) if stack.is_rgb else stack.shape
        settings = replace(
            self._settings,
            contrast_limits=None if window is None else (window.low, window.high),
            cache_folder=None,
        )
        # Planes of volumes are a stack that no file opens as.
        path = None if stack.path is None or stack.n_planes is not None else str(stack.path)
        selection = None if path is None else stack.geometry.selection
        return StackThere(shape, stack.dtype.str, stack.axis, settings, path, selection)

    def pixels(self, frame: int) -> NDArray[Any]:
        """Read a frame, as the stack has it."""
        return self._read(frame)

    def prepare(self, frame: int) -> None:
        """Have a frame encoded there."""
        self.line.ask("prepare", frame, frames=[frame])

    def encode_views(self, frame: int, views: Sequence[Crop | None], *, size: int | None = None) -> ImageFeatures:
        """Refuse: features are large, and are used where they are."""
        raise RuntimeError(f"the features of frame {frame} are on the worker at {self.line.line.address}")


class RemoteTracker(FrameTracker):
    """Asks the worker to look for objects."""

    encoder: RemoteEncoder

    def look(self, tracks: Sequence[ObjectTrack], frame: int, step: int) -> list[FrameMemory]:
        """Look for objects on one frame: one round trip for all of them."""
        if all(frame in track.bank.conditioning for track in tracks):
            return []
        # The next frame goes there before it is asked about: the worker begins with it while this answer travels.
        coming = frame + step
        expected = coming if coming in self.encoder.planned else None
        return self._ask("look", tracks, frame, step, next_frame=expected)

    def branches(self, tracks: Sequence[ObjectTrack], frame: int, step: int) -> list[list[FrameMemory]]:
        """Look for objects on one frame and take all candidates: one round trip for all of them."""
        found = self._ask("branches", tracks, frame, step)
        each = len(found) // len(tracks)
        return [found[first : first + each] for first in range(0, len(found), each)]

    def _ask(
        self, method: str, tracks: Sequence[ObjectTrack], frame: int, step: int, *, next_frame: int | None = None
    ) -> list[FrameMemory]:
        # To move a crop along, the frame before is compared with this one.
        before = [track.bank.get(frame - step) for track in tracks]
        moves = any(m is not None and m.view is not None and m.object_score_logit > 0 for m in before)
        line, frames = self.encoder.line, [frame, frame - step] if moves else [frame]
        if next_frame is not None:
            frames.append(next_frame)
        return line.memories(line.ask(method, frame, step, frames=frames, tracks=tracks, next_frame=next_frame))


class RemotePredictor(PromptPredictor):
    """Asks the worker to answer prompts."""

    encoder: RemoteEncoder

    def predict(self, track: ObjectTrack, prompt: Prompt, drawn: Mask | None = None) -> FrameMemory:
        """Reply a prompt in one round trip."""
        line, seen = self.encoder.line, None if drawn is None else PackedArray.of(drawn)
        (answer,) = line.memories(line.ask("predict", pack(prompt), seen, frames=[prompt.frame], tracks=[track]))
        return answer

    def proposals(self, track: ObjectTrack, prompt: Prompt) -> tuple[Tensor, Tensor, list[Crop | None]]:
        """Propose masks."""
        asked = self.encoder.line.ask("proposals", pack(prompt), frames=[prompt.frame], tracks=[track])
        masks, ious, views = asked
        here = torch.device("cpu")
        return masks.unpack(here), ious.unpack(here), views

    def remembered(self, track: ObjectTrack) -> dict[int, FrameMemory]:
        """Have the memories of staged answers encoded; without any, nothing is asked."""
        if not track.staged:
            return {}
        line = self.encoder.line
        found = line.ask("remembered", frames=list(track.staged), tracks=[track])
        return dict(zip(found, line.memories(found.values()), strict=True))


class RemoteFinder(ObjectFinder):
    """Has objects found on the worker, step by step, so that it can be stopped."""

    encoder: RemoteEncoder

    def looking(self, frame: int, options: FindOptions) -> Generator[float, None, list[Candidate]]:
        """Look for masks that may be objects."""
        found: list[Candidate] = yield from self._steps("candidates", frame, options, frames=[frame])
        return found

    def finding(
        self, frame: int, options: FindOptions, *, like: tuple[int, NDArray[np.bool_]] | None = None
    ) -> Generator[float, None, FoundObjects]:
        """Find the objects of a frame."""
        example = None if like is None else (like[0], PackedArray.of(like[1]))
        frames = [frame] if like is None else [frame, like[0]]
        found: FoundObjects = yield from self._steps("finding", frame, options, example, frames=frames)
        return found

    def _steps(self, method: str, *arguments: Any, frames: Sequence[int]) -> Generator[float, None, Any]:
        line = self.encoder.line
        done, found = line.ask(method, *arguments, frames=frames)
        while found is None:
            yield done
            done, found = line.ask("go_on")
        return found
