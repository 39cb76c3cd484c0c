"""Choice of the crop in which the model sees an object: from its last location, its motion and its prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from napari_sam2.data.prompts.prompt import Prompt
from napari_sam2.session.features.frame_encoder import FrameEncoder
from napari_sam2.session.tracking.prompt_tensors import Mask, prompt_bounds
from napari_sam2.session.zoom.crop import Crop, ObjectLocation, cut_off, place_of_box, place_of_mask, whole
from napari_sam2.session.zoom.crop_size import LEAST_ROOM, Zoom, hidden_place, steady_place, whole_if_none
from napari_sam2.session.zoom.object_motion import moved_place
from napari_sam2.session.zoom.shared_windows import CROWD, WindowPart, share_windows

from .memory.observation import Box
from .object_track import ObjectTrack


@dataclass(frozen=True)
class CropChoice:
    """The crop in which the model sees an object on a frame."""

    # ``None`` for the whole frame.
    view: Crop | None = None
    # Where the object is expected; ``None`` without zoom, or if nothing is known.
    place: ObjectLocation | None = None
    # Its box as its motion leads to it; ``None`` where the memory policy predicts none.
    expected: Box | None = None
    # The part of the crop that the model looks at, where other objects share the crop; ``None`` for all of it.
    part: WindowPart | None = None

    @property
    def cells(self) -> int | None:
        """Side of the part, in cells of the window's features."""
        return None if self.part is None else self.part.cells

    @property
    def within(self) -> int | None:
        """Side of the window whose part the model looks at, in cells of its features."""
        return None if self.part is None else self.part.whole

    @property
    def seen(self) -> Crop | None:
        """What the model looks at; ``None`` for the whole frame."""
        return self.view if self.view is None or self.part is None else self.part.crop(self.view)


WHOLE_FRAME = CropChoice()


class CropFollower:
    """Follows objects with crops; without zoom, the model sees whole frames."""

    def __init__(self, encoder: FrameEncoder, zoom: Zoom | None) -> None:
        self.encoder = encoder
        self.zoom = zoom
        self.frame_size = (encoder.stack.height, encoder.stack.width)

    def next_crop(self, track: ObjectTrack, frame: int, step: int) -> CropChoice:
        """Choose the crop for an object on the next frame of a pass."""
        if self.zoom is None:
            return WHOLE_FRAME
        # Begin with the result on the frame before.
        last, near = track.bank.get(frame - step), True
        if last is None and track.bank.conditioning:
            # The pass begins here: the nearest prompted frame is all there is to go by.
            last = track.bank.conditioning[min(track.bank.conditioning, key=lambda t: abs(t - frame))]
            near = False
        # Nothing known, or its location was not recorded: use the whole frame.
        if last is None or last.place is None:
            return WHOLE_FRAME
        place = last.place
        # The crop moves along with a visible object; a hidden one, or one seen on a distant frame, cannot be matched.
        if near and last.view is not None and last.object_score_logit > 0:
            place = moved_place(self.encoder.look, place, (frame - step, frame), frame_size=self.frame_size)
        return CropChoice(self.zoom.follow(last.view, place, self.frame_size), place)

    def shared(self, crops: Sequence[CropChoice]) -> list[CropChoice]:
        """The same crops, but those of a crowd shared."""
        own = {
            i: (crop.view, crop.place)
            for i, crop in enumerate(crops)
            if crop.view is not None and crop.place is not None and crop.view.height == crop.view.width
        }
        if len(own) < CROWD:
            return list(crops)
        found = share_windows(own, frame_size=self.frame_size, grid=self.encoder.model.config.grid_size)
        return [
            replace(crop, view=found[i].window, part=found[i].part) if i in found else crop
            for i, crop in enumerate(crops)
        ]

    def wider(self, crop: CropChoice, low_res_hw: Tensor) -> CropChoice | None:
        """A crop with room for a mask that the present one cuts off; ``None`` if it does not."""
        if self.zoom is None or crop.view is None or crop.place is None:
            return None
        # Only a mask that reaches an inner edge of the crop calls for a wider one.
        mask, view = (low_res_hw > 0).cpu().numpy(), crop.seen or crop.view
        if crop.part is not None:
            mask = crop.part.of_mask(mask)
        seen = place_of_mask(mask, view)
        if seen is None or not cut_off(mask, view, self.frame_size):
            return None
        # The crop moves no farther than an object can in one frame, but gets as wide at once as the mask needs.
        near = replace(steady_place(seen, crop.place), extent=seen.extent)
        wider = self.zoom.follow(crop.view, near, self.frame_size)
        return None if wider == view else replace(crop, view=wider, part=None)

    def last_crop(self, track: ObjectTrack, frame: int) -> CropChoice:
        """The crop used on the nearest frame with a result."""
        known = track.bank.recent | track.bank.conditioning | track.staged
        if not known:
            return WHOLE_FRAME
        # For a prompt that marks the object as absent: there is no mask to locate it by.
        nearest = known[min(known, key=lambda t: abs(t - frame))]
        return CropChoice(nearest.view, nearest.place)

    def place_of_prompt(self, track: ObjectTrack, prompt: Prompt, drawn: Mask | None) -> ObjectLocation | None:
        """The object's location from a prompt and its result on the frame; ``None`` for clicks alone, and without zoom.

        ``drawn``: (Y, X) bool: its mask in the labels, for when the logits are gone.
        """
        if self.zoom is None:
            return None
        # A box or a mask gives the size of the object by itself.
        bounds = prompt_bounds(prompt)
        if prompt.mask is not None or prompt.box is not None:
            return place_of_box(*bounds)
        # Clicks do not: the result that they refine does, first as logits, else as drawn in the labels.
        earlier = track.result(prompt.frame)
        known = earlier.place if earlier is not None else None
        if known is None and drawn is not None:
            known = place_of_mask(drawn, whole(self.frame_size))
        if known is None:
            return None
        # Clicks beside the earlier mask extend the location, so that the crop shows them.
        y0, x0, y1, x1 = known.box
        return place_of_box(min(y0, bounds[0]), min(x0, bounds[1]), max(y1, bounds[2]), max(x1, bounds[3]))

    def view_of_prompt(self, track: ObjectTrack, prompt: Prompt, place: ObjectLocation | None) -> Crop | None:
        """Choose the crop in which a prompt is answered, the object being at ``place``."""
        if self.zoom is None or place is None:
            return None
        earlier, view = track.result(prompt.frame), self.zoom.fresh(place, self.frame_size)
        if earlier is None or prompt.mask is not None or prompt.box is not None:
            return view
        # Clicks refine the earlier mask in the crop where it was predicted, if that holds them all.
        held = earlier.view is None or earlier.view.holds(*prompt_bounds(prompt))
        return earlier.view if held else view

    def views_of_clicks(self, track: ObjectTrack, prompt: Prompt, place: ObjectLocation) -> list[Crop | None]:
        """Choose the crops through which a small model answers clicks on an object at ``place``, the best first.

        The one in which the object was seen, as long as it has room, and one that fits what is known of it now.
        """
        if self.zoom is None:
            return [None]
        kept, fresh = self.view_of_prompt(track, prompt, place), self.zoom.fresh(place, self.frame_size)
        seen, fitting = (whole_if_none(view, self.frame_size) for view in (kept, fresh))
        # With too little room around the object the model cannot tell it from its surroundings: the kept crop is not
        # used.
        if max(seen.size) < LEAST_ROOM * place.extent:
            return [fresh]
        return [kept] if seen.size == fitting.size else [kept, fresh]

    def view_of_mask(self, seen: Crop | None, place: ObjectLocation | None) -> Crop | None:
        """Choose the crop in which a mask predicted in ``seen`` is remembered: the same, if its size suits the mask.

        Tracking continues in crops of this size, and memories that have to be rescaled are blurred.
        """
        if self.zoom is None or place is None:
            return seen
        fresh = self.zoom.fresh(place, self.frame_size)
        sizes = [whole_if_none(view, self.frame_size).size for view in (seen, fresh)]
        return seen if sizes[0] == sizes[1] else fresh

    def place_now(self, low_res_hw: Tensor, crop: CropChoice) -> ObjectLocation | None:
        """The object's location in a crop, from the (h, w) logits found there; ``None`` without zoom."""
        if self.zoom is None:
            return None
        place = place_of_mask((low_res_hw > 0).cpu().numpy(), whole_if_none(crop.view, self.frame_size))
        # Tracking is bounded by the last location, so that one bad mask does not carry the crop away. A first prompt is
        # not.
        if crop.place is None:
            return place
        return hidden_place(crop.place, self.frame_size) if place is None else steady_place(place, crop.place)
