"""Track an object by one click without PyTorch: with the files of ``napari-sam2 export-onnx`` and onnxruntime.

``python track_with_onnx.py [FOLDER]``. Where the folder lacks them, the files of the bundled model are written into it.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

PARTS = "image_encoder", "prompt_decoder", "memory_encoder", "memory_attention"
# What SAM 2 looks back at: the prompted frame, six maps before this frame, and fifteen pointers.
MAPS, POINTERS = 6, 15
HIDDEN = -1024


class Tracker:
    """Tracks one object that was clicked on in the first frame."""

    def __init__(self, folder: Path) -> None:
        self.parts = {name: onnxruntime.InferenceSession(folder / f"{name}.onnx") for name in PARTS}
        self.side = self.parts["image_encoder"].get_inputs()[0].shape[-1]
        # By frame: memory map and pointer.
        self.seen: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def run(self, part: str, **inputs: np.ndarray) -> list[np.ndarray]:
        """Run one of the files."""
        return self.parts[part].run(None, inputs)

    def look(self, frame: int, image: np.ndarray, click: tuple[float, float] | None = None) -> np.ndarray:
        """Find the object on the next frame: (Y, X) logits, positive inside. ``image``: (Y, X, 3) uint8."""
        small = np.asarray(Image.fromarray(image).resize((self.side, self.side), Image.Resampling.BILINEAR))
        s4, s8, s16, plain = self.run("image_encoder", image=np.moveaxis(small, -1, 0)[None])
        conditioned = self.remembered(frame, s16) if self.seen else plain
        # A point of label -1 stands for no click.
        y, x = click or (0, 0)
        scale = self.side / np.array(image.shape[:2])
        points = np.array([[[x * scale[1], y * scale[0]]]], np.float32)
        labels = np.array([[1 if click else -1]])
        masks, ious, scores, pointers = self.run(
            "prompt_decoder", s4=s4, s8=s8, conditioned=conditioned, points=points, labels=labels
        )
        # The first mask is for several clicks; of the other three the best counts.
        best = 1 + int(ious[0, 1:].argmax())
        visible = scores > 0
        mask = masks[0, best] if visible[0] else np.full_like(masks[0, best], HIDDEN)
        # What a click gave is remembered as a mask with hard edges, what was tracked as chances.
        large = resized(mask, (self.side, self.side))
        remembered = (large > 0).astype(np.float32) if click else 1 / (1 + np.exp(-np.clip(large, -80, 80)))
        (memory,) = self.run("memory_encoder", s16=s16, mask=remembered[None, None], visible=visible)
        self.seen[frame] = memory[0], pointers[0, best]
        return resized(mask, (image.shape[1], image.shape[0]))

    def remembered(self, frame: int, s16: np.ndarray) -> np.ndarray:
        """What the frame looks like beside what is remembered of the frames before it."""
        first = min(self.seen)
        before = [t for t in range(frame - 1, first, -1) if t in self.seen]
        maps = [first, *before[:MAPS]]
        looks = [first, *before[:POINTERS]]
        span = max(min(frame + 1, POINTERS + 1) - 1, 1)
        (conditioned,) = self.run(
            "memory_attention",
            s16=s16,
            memories=np.stack([self.seen[t][0] for t in maps]),
            slots=np.array([0, *(frame - t for t in maps[1:])]),
            pointers=np.stack([self.seen[t][1] for t in looks]),
            distances=np.array([frame - t for t in looks], np.float32) / span,
        )
        return conditioned


def resized(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear; ``size``: (X, Y)."""
    return np.asarray(Image.fromarray(logits).resize(size, Image.Resampling.BILINEAR))


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "onnx")
    if not all((folder / f"{name}.onnx").is_file() for name in PARTS):
        # Once only, and the only part that needs PyTorch: the same as the command.
        from napari_sam2.cli import main as napari_sam2

        if status := napari_sam2(["export-onnx", "sam2_nano", "--output", str(folder)]):
            sys.exit(status)
    # A bright disc that moves over noise.
    rows, columns = np.ogrid[:200, :300]
    tracker, noise = Tracker(folder), np.random.default_rng(0)
    for frame in range(6):
        disc = (rows - 80 - 4 * frame) ** 2 + (columns - 90 - 12 * frame) ** 2 < 30**2
        grey = noise.integers(20, 60, disc.shape) + 150 * disc
        image = np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
        mask = tracker.look(frame, image, click=(80, 90) if frame == 0 else None) > 0
        print(f"frame {frame}: J {(mask & disc).sum() / (mask | disc).sum():.3f}")


if __name__ == "__main__":
    main()
