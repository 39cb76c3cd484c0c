"""Tracking of objects on one frame: from memories to masks and new memories (spec section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from skimage.measure import label as connected_components
from torch import Tensor

from napari_sam2.model.sam2 import (
    CandidatePick,
    ImageFeatures,
    MaskPrediction,
    PointerMemory,
    SpatialMemory,
    highest_iou,
    soft_mask,
    upsample_to_input,
)
from napari_sam2.model.timing.thread_plan import as_planned
from napari_sam2.session.features.batch_sizes import objects_at_once
from napari_sam2.session.features.frame_encoder import FrameEncoder
from napari_sam2.session.zoom.crop_size import Zoom, hidden_place, whole_if_none

from .crop_follower import CropChoice, CropFollower
from .crop_maps import kept_map, map_in_crop, widened
from .fill_between import blend
from .memory.choice import MemoryChoice
from .memory.exclusion import excluded
from .memory.looks import prototypes
from .memory.observation import NOTHING_SEEN, Observation
from .memory.policy import MemoryPolicy
from .memory.rivals import measure_rivals
from .memory_bank import FrameMemory
from .object_groups import groups_alike
from .object_track import ObjectTrack
from .suppression import SUPPRESSED_LOGIT, overlaps

# Logit of filled holes: just above the threshold, as in the reference.
HOLE_LOGIT = 0.1
# Masks that the decoder proposes where nothing is prompted.
_CANDIDATES = 3


def fill_holes(low_res_bhw: Tensor, largest: int) -> Tensor:
    """Lift small enclosed background components just above the threshold (spec section 3.11).

    ``low_res_bhw``: (objects, h, w) logits.
    ``largest``: largest area, in pixels of this grid, that counts as a hole; 0 fills nothing.
    """
    if largest <= 0:
        return low_res_bhw
    filled = low_res_bhw.clone()
    for mask in filled:
        background = (mask <= 0).cpu().numpy()
        # An empty mask is one large background part; on a small grid it could pass for a hole.
        if background.all():
            continue
        # Pixels that touch by corners only belong to one background part, as in the reference.
        parts = connected_components(background, connectivity=2)
        areas = np.bincount(parts.ravel())
        small = areas <= largest
        # Part 0 is the object itself.
        small[0] = False
        if small.any():
            mask[torch.from_numpy(small[parts]).to(mask.device)] = HOLE_LOGIT
    return filled


def _nth(place: int, _candidates_bkhw: Tensor, ious_bk: Tensor) -> Tensor:
    """Choose the candidate at that place, whatever it is worth."""
    return torch.full((len(ious_bk),), place, dtype=torch.long, device=ious_bk.device)


def compared(records: Sequence[FrameMemory], prediction: MaskPrediction) -> list[FrameMemory]:
    """Add to the records of a prediction how the candidates that were not chosen differ."""
    masks, ious = (prediction.candidates_bkhw > 0).cpu().numpy(), prediction.candidate_ious_bk.tolist()
    rivals = map(measure_rivals, masks, ious, prediction.best_b.tolist())
    return [
        replace(record, observation=replace(record.observation or NOTHING_SEEN, rivals=rival))
        for record, rival in zip(records, rivals, strict=True)
    ]


class FrameTracker:
    """Runs the model for the objects of one session.

    ``policy``: which memories a frame attends to.
    ``zoom``: how crops around small objects are chosen; the model sees whole frames where not given.
    """

    def __init__(
        self, encoder: FrameEncoder, policy: MemoryPolicy, *, fill_hole_area: int, zoom: Zoom | None = None
    ) -> None:
        self.encoder = encoder
        self.model = encoder.model
        self.policy = policy
        self.fill_hole_area = fill_hole_area
        self.crops = CropFollower(encoder, zoom)
        self.num_frames = encoder.stack.n_frames
        self.frame_size = self.crops.frame_size

    def track(self, tracks: Sequence[ObjectTrack], frame: int, step: int) -> None:
        """Track objects on one frame; on their conditioning frames they keep the result they have."""
        # Memories are put only after all objects are done, so that a failure on the way leaves none of them half
        # tracked.
        self.take(tracks, self.look(tracks, frame, step), frame=frame, step=step)

    def take(self, tracks: Sequence[ObjectTrack], records: Sequence[FrameMemory], *, frame: int, step: int) -> None:
        """Have objects remember what was seen of them on a frame."""
        tracked = [track for track in tracks if frame not in track.bank.conditioning]
        for track, record in zip(tracked, records, strict=True):
            track.bank.put_recent(frame, record, step=step)
        # Conditioning frames count as tracked, too: they keep their result.
        for track in tracks:
            track.mark_tracked(frame, step)

    @torch.inference_mode()
    def look(self, tracks: Sequence[ObjectTrack], frame: int, step: int) -> list[FrameMemory]:
        """Look for objects on one frame, those prompted there left out; nothing is changed."""
        with as_planned(self.model.threads):
            return self._look_for(tracks, frame, step)

    @torch.inference_mode()
    def encode_ahead(self, tracks: Sequence[ObjectTrack], frame: int, step: int) -> None:
        """Encode what `look` is going to see on a frame, if nothing happens to the objects before."""
        with as_planned(self.model.threads):
            members = self._members(tracks, frame, step)
            _, groups = self._groups(members, frame, step)
            self.encoder.encode_ahead(frame, [[members[i][1].view for i in some] for some in groups])

    def _members(self, tracks: Sequence[ObjectTrack], frame: int, step: int) -> list[tuple[ObjectTrack, CropChoice]]:
        """The objects to look for on a frame, with the crops to look in."""
        tracked = [track for track in tracks if frame not in track.bank.conditioning]
        crops = self.crops.shared([self._next_crop(track, frame, step) for track in tracked])
        return list(zip(tracked, crops, strict=True))

    def _look_for(self, tracks: Sequence[ObjectTrack], frame: int, step: int) -> list[FrameMemory]:
        # Choose a crop for each object and run the model.
        members = self._members(tracks, frame, step)
        records = [record for (record,) in self._look(members, frame, step=step)]
        # Where a mask is cut off by its crop, look again in a wider one. Once, not until it fits: a mask that leaks out
        # of every crop would be followed through the whole frame.
        again: dict[int, tuple[ObjectTrack, CropChoice]] = {}
        for index, ((track, crop), record) in enumerate(zip(members, records, strict=True)):
            wider = self.crops.wider(crop, record.logits_bhw[0])
            if wider is not None:
                again[index] = track, wider
        for index, (record,) in zip(again, self._look(list(again.values()), frame, step=step), strict=True):
            # The wider crop counts only if the object is seen there, too: the narrow one shows more detail.
            if record.object_score_logit > 0:
                records[index] = record
        if self.policy.exclusive:
            records = self._exclude(tracks, members, records=records, frame=frame, step=step)
        if step < 0:
            records = [self._blended(track, record, frame) for (track, _), record in zip(members, records, strict=True)]
        if self.policy.observes:
            records = [
                self._observed(track, record, frame, step) for (track, _), record in zip(members, records, strict=True)
            ]
        return records

    @torch.inference_mode()
    def branches(self, tracks: Sequence[ObjectTrack], frame: int, step: int) -> list[list[FrameMemory]]:
        """Look for objects as `look` does, but for each take all of the decoder's candidates."""
        picks = [partial(_nth, place) for place in range(_CANDIDATES)]
        members = [(track, self._next_crop(track, frame, step)) for track in tracks]
        found = []
        with as_planned(self.model.threads):
            for (track, crop), records in zip(members, self._look(members, frame, step=step, picks=picks), strict=True):
                best = max(records, key=lambda record: record.iou)
                wider = self.crops.wider(crop, best.logits_bhw[0])
                again = [] if wider is None else self._look([(track, wider)], frame, step=step, picks=picks)[0]
                found.append(again if again and again[0].object_score_logit > 0 else records)
        return found

    def _observed(self, track: ObjectTrack, record: FrameMemory, frame: int, step: int) -> FrameMemory:
        before, recent = track.bank.before(frame, step), track.bank.recent
        return replace(record, observation=self.policy.observe(frame, record, before, step=step, recent=recent))

    def _next_crop(self, track: ObjectTrack, frame: int, step: int) -> CropChoice:
        crop = self.crops.next_crop(track, frame, step)
        expected = self.policy.expect(track.bank.before(frame, step), step=step)
        return crop if expected is None else replace(crop, expected=expected)

    def _exclude(
        self,
        tracks: Sequence[ObjectTrack],
        members: Sequence[tuple[ObjectTrack, CropChoice]],
        *,
        records: list[FrameMemory],
        frame: int,
        step: int,
    ) -> list[FrameMemory]:
        """Hide those of the tracked objects that lie on another's; prompted ones stay."""
        prompted = [track.bank.conditioning[frame] for track in tracks if frame in track.bank.conditioning]
        hidden = [track.bank.before(frame, step).hidden for track, _ in members]
        meeting = overlaps([*records, *prompted], self.frame_size)
        lost = excluded(meeting, [*hidden, *[None] * len(prompted)], step=step)
        return [
            self._suppressed(record, crop, frame) if i in lost else record
            for i, (record, (_, crop)) in enumerate(zip(records, members, strict=True))
        ]

    def _blended(self, track: ObjectTrack, record: FrameMemory, frame: int) -> FrameMemory:
        """The same, blended with what was tracked from the other side, where the frame is to come from both."""
        stretch, earlier = track.stretch(frame), track.bank.recent.get(frame)
        if stretch is None or earlier is None or earlier.low_res_bhw is None:
            return record
        first, last = stretch
        blended = blend(earlier, record, share=(frame - first) / (last - first), frame_size=self.frame_size)
        # The forward mask's map may be gone by now.
        return self._remembered(blended, frame) if blended is earlier else blended

    def _remembered(self, record: FrameMemory, frame: int) -> FrameMemory:
        """The same with the memory map of its mask."""
        memory = self.model.remember(
            self.encoder.encode(frame, record.view),
            soft_mask(upsample_to_input(record.logits_bhw, self.model.config)),
            visible_b=torch.tensor([record.object_score_logit > 0], device=record.logits_bhw.device),
        )
        return replace(record, memory_bchw=memory)

    def _suppressed(self, record: FrameMemory, crop: CropChoice, frame: int) -> FrameMemory:
        """The same frame as if the object were not to be seen on it."""
        logits = torch.full_like(record.logits_bhw, SUPPRESSED_LOGIT)
        # The map is encoded again, as that of a hidden object.
        hidden = self._remembered(replace(record, low_res_bhw=logits, object_score_logit=SUPPRESSED_LOGIT), frame)
        return replace(
            hidden,
            pointer_bc=self.model.no_obj_ptr.clone(),
            place=None if crop.place is None else hidden_place(crop.place, self.frame_size),
            observation=NOTHING_SEEN,
            prototype_c=None,
        )

    def _look(
        self,
        members: Sequence[tuple[ObjectTrack, CropChoice]],
        frame: int,
        *,
        step: int,
        picks: Sequence[CandidatePick] = (),
    ) -> list[list[FrameMemory]]:
        """What is seen of each object: a record for each pick, or the one to follow."""
        choices, groups = self._groups(members, frame, step)
        found: dict[int, list[FrameMemory]] = {}
        for some in groups:
            group = self._look_at_group([members[i] for i in some], [choices[i] for i in some], frame, picks=picks)
            found |= zip(some, group, strict=True)
        return [found[index] for index in range(len(members))]

    def _groups(
        self, members: Sequence[tuple[ObjectTrack, CropChoice]], frame: int, step: int
    ) -> tuple[list[MemoryChoice], list[list[int]]]:
        """What objects attend to on a frame, and which of them go through the model together."""
        # What comes back from the second prompt of a stretch must not go by frames behind that: they may be older.
        ends = [track.stretch(frame) if step < 0 else None for track, _ in members]
        choices = [
            track.bank.choose(frame, track.visited, step=step, num_frames=self.num_frames, within=within)
            for (track, _), within in zip(members, ends, strict=True)
        ]
        at_once = objects_at_once(self.model.config)
        return choices, groups_alike([crop for _, crop in members], choices, at_once=at_once)

    def _features(self, crops: Sequence[CropChoice], frame: int, *, parts: bool = True) -> ImageFeatures:
        """Features of a crop that all share, or of what each of some objects sees."""
        # A crop that several share is encoded once.
        views = list(dict.fromkeys(crop.view for crop in crops))
        features = self.encoder.encode_views(frame, views)
        if len(views) == 1 and (crops[0].part is None or not parts):
            return features
        rows = [(views.index(crop.view), crop.part if parts else None) for crop in crops]
        maps = (
            torch.cat([x[row : row + 1] if part is None else part.of(x[row : row + 1]) for row, part in rows])
            for x in vars(features).values()
        )
        return ImageFeatures(*(x.contiguous(memory_format=torch.channels_last) for x in maps))

    def _look_at_group(
        self,
        members: Sequence[tuple[ObjectTrack, CropChoice]],
        choices: Sequence[MemoryChoice],
        frame: int,
        *,
        picks: Sequence[CandidatePick],
    ) -> list[list[FrameMemory]]:
        crops = [crop for _, crop in members]
        features = self._features(crops, frame)
        # No prompts here: the object is found by its memories alone.
        batch, device = len(members), self.model.device
        output = self.model.run_decoder(
            self.condition(members, features, choices),
            features,
            points_bpxy=torch.zeros(batch, 0, 2, device=device),
            labels_bp=torch.zeros(batch, 0, dtype=torch.long, device=device),
            within=crops[0].within,
        )
        seen = [
            self._remember_all(self.model.choose(output, num_points=0, pick=pick), features, crops, frame)
            for pick in picks or [partial(self._pick, crops)]
        ]
        return [list(records) for records in zip(*seen, strict=True)]

    def _remember_all(
        self, prediction: MaskPrediction, features: ImageFeatures, crops: Sequence[CropChoice], frame: int
    ) -> list[FrameMemory]:
        """Make the records of tracked objects, with memory maps."""
        # The memory is of the mask as predicted; holes are filled in what is shown.
        logits = upsample_to_input(prediction.low_res_bhw, self.model.config, cells=crops[0].cells)
        visible = prediction.object_score_logits_b > 0
        memories = self.model.remember(features, soft_mask(logits), visible_b=visible)
        # What is kept covers the crop, whatever part of it the model looked at.
        prediction = widened(prediction, crops)
        records = self.records(prediction, crops)
        if self.policy.compares_candidates:
            records = compared(records, prediction)
        if self.policy.compares_looks:
            records = self.with_looks(records, self._features(crops, frame, parts=False))
        # Cloned out of the batch, so that forgetting one object's memory frees it.
        return [
            replace(record, memory_bchw=kept_map(memories[i : i + 1], crop))
            for i, (record, crop) in enumerate(zip(records, crops, strict=True))
        ]

    def _pick(self, crops: Sequence[CropChoice], candidates_bkhw: Tensor, ious_bk: Tensor) -> Tensor:
        """Choose a candidate for each object: by its predicted IoU, and by where it was expected."""
        best = highest_iou(candidates_bkhw, ious_bk)
        for i, crop in enumerate(crops):
            if crop.expected is not None:
                view, masks = whole_if_none(crop.seen, self.frame_size), (candidates_bkhw[i] > 0).cpu().numpy()
                boxes = [Observation.of_mask(mask, view, iou=0.0).box for mask in masks]
                best[i] = self.policy.prefer(boxes, ious_bk[i].tolist(), crop.expected)
        return best

    def with_looks(self, records: Sequence[FrameMemory], features: ImageFeatures) -> list[FrameMemory]:
        """Add prototypes to the records of a frame, where the policy compares looks."""
        if not self.policy.compares_looks:
            return list(records)
        found = prototypes(features.s16_bchw, torch.cat([record.logits_bhw for record in records]))
        return [replace(record, prototype_c=look) for record, look in zip(records, found, strict=True)]

    def condition(
        self,
        members: Sequence[tuple[ObjectTrack, CropChoice]],
        features: ImageFeatures,
        choices: Sequence[MemoryChoice],
    ) -> Tensor:
        """Condition features, of one crop or of one per object, on the objects' memories by memory attention.

        ``choices``: one per object, all of one layout.
        """
        # Maps are stacked over the objects, slot by slot in the order of the choices.
        layout, banks = choices[0].layout, [track.bank for track, _ in members]
        memories = []
        for place, (_, slot) in enumerate(layout.spatial):
            maps = [
                map_in_crop(bank[choice.spatial[place][0]], crop, self.frame_size)
                for (_, crop), bank, choice in zip(members, banks, choices, strict=True)
            ]
            memories.append(SpatialMemory(torch.cat(maps), slot))
        pointers = []
        for place, (_, distance) in enumerate(layout.pointers):
            own = [bank[choice.pointers[place][0]].pointer_bc for bank, choice in zip(banks, choices, strict=True)]
            pointers.append(PointerMemory(torch.cat(own), distance))
        within = members[0][1].within
        return self.model.condition(
            features, memories, pointers=pointers, pointer_span=layout.pointer_span, within=within
        )

    def records(self, prediction: MaskPrediction, crops: Sequence[CropChoice]) -> list[FrameMemory]:
        """Make the records of a prediction, one per object, still without memory maps."""
        low_res = fill_holes(prediction.low_res_bhw, self.fill_hole_area)
        scores, ious = prediction.object_score_logits_b.tolist(), prediction.ious_b.tolist()
        # Everything is cloned: a view would keep the whole batch in memory as long as one object's result is kept.
        return [
            FrameMemory(
                low_res_bhw=low_res[i : i + 1].clone(),
                pointer_bc=prediction.pointers_bc[i : i + 1].clone(),
                object_score_logit=scores[i],
                iou=ious[i],
                view=crop.view,
                place=self.crops.place_now(low_res[i], crop),
                observation=self._observation(low_res[i], crop, iou=ious[i]),
            )
            for i, crop in enumerate(crops)
        ]

    def _observation(self, low_res_hw: Tensor, crop: CropChoice, *, iou: float) -> Observation | None:
        if not self.policy.observes:
            return None
        view = whole_if_none(crop.view, self.frame_size)
        return Observation.of_mask((low_res_hw > 0).cpu().numpy(), view, iou=iou)
