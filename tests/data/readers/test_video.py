"""Videos: frame n read at random is frame n read in order."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from napari_sam2.data import open_stack
from napari_sam2.data.readers.video import VideoFrames

av = pytest.importorskip("av", reason="PyAV is not installed")

N_FRAMES = 70


def pictures(count: int = N_FRAMES) -> np.ndarray:
    """Frames that say which they are: in a row of eight blocks, block b is bright where bit b of the number is set."""
    rng = np.random.default_rng(0)
    frames = np.full((count, 48, 64, 3), 90, np.uint8)
    for number, frame in enumerate(frames):
        frame[20:, number % 50 : number % 50 + 12] = rng.integers(0, 255, (28, min(12, 64 - number % 50), 3))
        for bit in range(8):
            frame[:16, 8 * bit : 8 * bit + 8] = 255 if number >> bit & 1 else 0
        # A cut now and then, where encoders start anew on their own.
        frame[16:20] = (number // 17 * 60) % 256
    return frames


def number_of(frame: np.ndarray) -> int:
    return sum((frame[2:14, 8 * bit + 2 : 8 * bit + 6].mean() > 128) << bit for bit in range(8))


def encode(path: Path, codec: str, options: dict[str, str], times: Sequence[int] | None = None, **stream: str) -> Path:
    frames = pictures()
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25, options=options)
        video.width, video.height = 64, 48
        video.pix_fmt = stream.get("pix_fmt", "yuv420p")
        if times is not None:
            video.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts = number if times is None else times[number]
            frame.time_base = Fraction(1, 25) if times is None else Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return path


# Group of pictures of changing length by scene cuts, B-frames, references over group borders, one group for all, no
# groups at all, and containers that keep no times.
VIDEOS: dict[str, tuple[str, dict[str, str]]] = {
    "recorder.mpg": ("mpeg2video", {"bf": "2", "g": "12"}),
    "camera.mts": ("libx264", {"bf": "3", "g": "12"}),
    "transport.ts": ("mpeg2video", {"bf": "2", "g": "15"}),
    "windows.wmv": ("wmv2", {"g": "12"}),
    "flash.flv": ("flv", {"g": "12"}),
    "telephone.3gp": ("libx264", {"bf": "0", "g": "12"}),
    "broadcast.mxf": ("mpeg2video", {"bf": "2", "g": "12"}),
    "b-frames.mp4": ("libx264", {"bf": "3", "g": "12", "x264-params": "b-adapt=2:scenecut=60"}),
    "open-gop.mp4": ("libx264", {"bf": "3", "x264-params": "keyint=12:min-keyint=4:open-gop=1:b-pyramid=normal"}),
    "one-gop.mov": ("libx264", {"bf": "2", "g": "1000", "x264-params": "scenecut=0"}),
    "refresh.mp4": ("libx264", {"x264-params": "keyint=20:intra-refresh=1:bframes=0"}),
    "hevc.mkv": ("libx265", {"x265-params": "bframes=4:keyint=10:open-gop=1:log-level=none"}),
    "mpeg4.mp4": ("mpeg4", {"bf": "2", "g": "9"}),
    "mpeg4.avi": ("mpeg4", {"bf": "2", "g": "9"}),
    "h264.avi": ("libx264", {"bf": "2", "g": "12"}),
    "intra.avi": ("mjpeg", {}),
    "vp9.webm": ("libvpx-vp9", {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "8", "deadline": "realtime"}),
}


@pytest.fixture(scope="module", params=VIDEOS)
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    codec, options = VIDEOS[request.param]
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no encoder {codec}")
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    return encode(tmp_path_factory.mktemp("video") / request.param, codec, options, pix_fmt=pix_fmt)


def in_order(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_any_frame_at_random_is_the_one_in_order(video: Path) -> None:
    expected = in_order(video)
    assert [number_of(frame) for frame in expected] == list(range(N_FRAMES))
    with open_stack(video) as stack:
        assert (stack.shape, stack.is_rgb, stack.axis) == ((N_FRAMES, 48, 64), True, "t")
        assert stack.step == pytest.approx(0.04)
        assert stack.step_unit == "s"
        for number in np.random.default_rng(1).permutation(N_FRAMES).tolist():
            np.testing.assert_array_equal(stack.read(number), expected[number], err_msg=f"frame {number}")


@pytest.mark.parametrize("order", ["backwards", "far apart"])
def test_no_frame_depends_on_what_was_kept(video: Path, order: str) -> None:
    """With room for one frame only, every one is decoded anew."""
    expected = in_order(video)
    frames = VideoFrames(video)
    frames._room = 1
    numbers = range(N_FRAMES - 1, -1, -9) if order == "backwards" else [60, 3, 61, 2, 35, 36, 38, 0, 69]
    for number in numbers:
        np.testing.assert_array_equal(frames.read((number,)), expected[number], err_msg=f"frame {number}")
    frames.close()


def test_reading_from_threads(video: Path) -> None:
    expected = in_order(video)
    order = np.random.default_rng(2).permutation(N_FRAMES).tolist()
    with open_stack(video) as stack, ThreadPoolExecutor(4) as pool:
        for number, frame in zip(order, pool.map(stack.read, order), strict=True):
            np.testing.assert_array_equal(frame, expected[number])


def test_going_backwards_does_not_decode_everything_again(tmp_path: Path) -> None:
    path = encode(tmp_path / "one.mp4", "mpeg4", {"g": "1000"})
    frames = VideoFrames(path)
    restarts = []
    restart = frames._restart
    frames._restart = lambda key: (restarts.append(key), restart(key))[1]
    for number in range(N_FRAMES - 1, -1, -1):
        frames.read((number,))
    assert len(restarts) <= 1
    frames.close()


def test_frames_of_uneven_length(tmp_path: Path) -> None:
    lengths = np.random.default_rng(3).integers(20, 200, N_FRAMES)
    times = np.cumsum(lengths).tolist()
    path = encode(tmp_path / "uneven.mkv", "libx264", {"bf": "3", "g": "15"}, times)
    expected = in_order(path)
    with open_stack(path) as stack:
        assert stack.n_frames == N_FRAMES
        assert stack.step == pytest.approx(np.median(lengths) / 1000, abs=0.006)
        for number in (40, 3, 69, 68, 0, 15, 14):
            np.testing.assert_array_equal(stack.read(number), expected[number])


def test_grey_stays_grey(tmp_path: Path) -> None:
    path = encode(tmp_path / "grey.mkv", "ffv1", {}, pix_fmt="gray")
    with open_stack(path) as stack:
        assert (stack.is_rgb, stack.dtype) == (False, np.uint8)
        assert number_of(stack.read(37)[..., None]) == 37


def test_a_crop_of_a_video(tmp_path: Path) -> None:
    path = encode(tmp_path / "crop.mp4", "mpeg4", {"bf": "2"})
    with open_stack(path) as stack:
        np.testing.assert_array_equal(stack.part(crop=(4, 8, 30, 60)).read(20), stack.read(20)[4:30, 8:60])


def test_files_that_are_no_video(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video at all", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text.mp4 cannot be read as a video"):
        open_stack(tmp_path / "text.mp4")
    whole = encode(tmp_path / "whole.mp4", "mpeg4", {}).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut.mp4 cannot be read as a video"):
        open_stack(tmp_path / "cut.mp4")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux([*sound.encode(frame), *sound.encode()])
    with pytest.raises(ValueError, match=r"sound.mp4 holds no video"):
        open_stack(tmp_path / "sound.mp4")


def test_a_damaged_frame_is_named_and_the_others_are_readable(tmp_path: Path) -> None:
    path = encode(tmp_path / "damaged.mov", "png", {}, pix_fmt="rgb24")
    expected = in_order(path)
    with av.open(str(path)) as container:
        packet = next(p for i, p in enumerate(container.demux(video=0)) if i == 20)
        start, length = packet.pos, packet.size
    content = bytearray(path.read_bytes())
    content[start : start + length] = bytes(length)
    path.write_bytes(content)
    with open_stack(path) as stack:
        with pytest.raises(ValueError, match=r"frame 20 of .*damaged.mov cannot be read"):
            stack.read(20)
        for number in (19, 21, 69, 5):
            np.testing.assert_array_equal(stack.read(number), expected[number])


def test_a_phone_held_upright(tmp_path: Path) -> None:
    path = encode(tmp_path / "upright.mp4", "mpeg4", {})
    expected = in_order(path)
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    clockwise = (0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    content[matrix : matrix + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in clockwise)
    path.write_bytes(content)
    with open_stack(path) as stack:
        assert stack.shape == (N_FRAMES, 64, 48)
        np.testing.assert_array_equal(stack.read(37), np.rot90(expected[37], -1))
