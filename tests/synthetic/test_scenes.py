from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from skimage.measure import regionprops
from skimage.segmentation import expand_labels

from napari_sam2.synthetic import ABSENCES, KINDS, Clip, SceneSettings, photographs, render_clip
from napari_sam2.synthetic.photographs import NAMES
from napari_sam2.synthetic.random_outlines import OUTLINES, draw_outline
from napari_sam2.synthetic.scene_motion import Camera, still_path
from napari_sam2.synthetic.scenes.colonies import draw_colony
from napari_sam2.synthetic.sprites import Scene, Sprite, background_size, compose, grid, level_maps
from napari_sam2.synthetic.textures import PATTERNS, noise_field, palette, texture

SMALL = {"size": (96, 128), "n_frames": 4}


def render(seed: int, **settings: object) -> Clip:
    return render_clip(np.random.default_rng(seed), SceneSettings(**{**SMALL, **settings}))


def still_camera(n_frames: int, zoom: float = 1.0, offset: tuple[float, float] = (0, 0)) -> Camera:
    ones = np.ones(n_frames, dtype=np.float32)
    return Camera(np.outer(ones, offset).astype(np.float32), 0 * ones, zoom * ones)


def disc(label: int | None, *, centre: tuple[float, float], radius: float, grey: float) -> Sprite:
    rows, columns = grid(65, 1.2)
    level = np.float32(1) - np.hypot(rows, columns)
    skin = np.full((65, 65, 1), grey, dtype=np.float32)
    path = still_path(1, np.array(centre, dtype=np.float32), radius=radius)
    return Sprite(np.stack([level, level], axis=-1), skin, 1.2, path, label)


def paint(*sprites: Sprite, camera: Camera | None = None) -> tuple[np.ndarray, np.ndarray]:
    camera = camera or still_camera(1)
    size = (64, 80)
    background = np.full((*background_size(camera, size), 1), 0.25, dtype=np.float32)
    return compose(Scene(background, camera, sprites), size)


@pytest.mark.parametrize("kind", KINDS)
def test_form_of_a_clip(kind: str) -> None:
    for seed in range(4):
        clip = render(seed, kind=kind)
        assert clip.frames.shape == (4, 96, 128, 3)
        assert clip.labels.shape == (4, 96, 128)
        assert clip.frames.dtype == clip.labels.dtype == np.uint8
        assert clip.labels.any()
        assert clip.frames.std() > 1


@pytest.mark.parametrize("kind", KINDS)
def test_same_generator_same_clip(kind: str) -> None:
    first, second, other = (render(seed, kind=kind) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.frames, second.frames)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert (first.frames != other.frames).any()


def test_look_alikes_are_gone_for_a_while_and_come_back() -> None:
    for seed in range(3):
        clip = render(seed, kind=ABSENCES, n_frames=96)
        assert set(np.unique(clip.labels)) == {0, 1, 2}
        for label in (1, 2):
            seen = (clip.labels == label).any(axis=(1, 2))
            assert seen[:8].all() and seen[-1]
            # Runs of frames without it; the other one may hide it for a frame or two.
            edges = np.flatnonzero(np.diff(np.concatenate([[1], seen, [1]])))
            gone = np.diff(edges)[::2]
            assert 20 <= gone.max() <= 62


def test_one_generator_gives_ever_new_clips() -> None:
    rng = np.random.default_rng(0)
    settings = SceneSettings(**SMALL)
    clips = [render_clip(rng, settings) for _ in range(4)]
    assert len({clip.frames.tobytes() for clip in clips}) == 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "n_frames"), [((16, 16), 1), ((33, 70), 2), ((40, 24), 12)])
def test_any_size_and_length(kind: str, size: tuple[int, int], n_frames: int) -> None:
    clip = render(1, kind=kind, size=size, n_frames=n_frames)
    assert clip.frames.shape == (n_frames, *size, 3)


@pytest.mark.parametrize("kind", ["cells", "slices"])
def test_stacks_of_one_channel_are_grey(kind: str) -> None:
    grey = [np.ptp(render(seed, kind=kind).frames.astype(int), axis=-1).max() == 0 for seed in range(6)]
    assert sum(grey) >= 4


def test_objects_of_many_sizes() -> None:
    areas = []
    for seed in range(30):
        labels = render(seed, size=(128, 128)).labels
        areas += [int((labels[0] == label).sum()) for label in np.unique(labels[0])[1:]]
    assert min(areas) < 20
    assert max(areas) > 0.15 * 128 * 128


def test_objects_come_and_go() -> None:
    """Among many clips some objects are away for some frames, and some of those come back."""
    away = back = 0
    for seed in range(30):
        labels = render(seed, n_frames=6, kind="shapes").labels
        for label in np.unique(labels)[1:]:
            seen = (labels == label).any(axis=(1, 2))
            away += not seen.all()
            back += bool((np.diff(seen.astype(int)) == 1).any() and seen[0])
    assert away > 5
    assert back > 0


def test_front_hides_back_and_its_label() -> None:
    back = disc(1, centre=(32, 40), radius=20, grey=0.5)
    front = disc(2, centre=(32, 40), radius=10, grey=1.0)
    frames, labels = paint(back, front)
    assert labels[0, 32, 40] == 2
    assert labels[0, 32, 25] == 1
    assert abs(int((labels == 2).sum()) - np.pi * 10**2) < 15
    assert frames[0, 32, 40, 0] == pytest.approx(1.0)
    assert frames[0, 32, 25, 0] == pytest.approx(0.5)
    assert frames[0, 2, 2, 0] == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(("label", "expected"), [(0, 0), (None, 1)])
def test_occluders_erase_labels_and_glints_do_not(label: int | None, expected: int) -> None:
    _, labels = paint(disc(1, centre=(32, 40), radius=20, grey=0.5), disc(label, centre=(32, 40), radius=5, grey=1))
    assert labels[0, 32, 40] == expected


def test_camera_moves_and_enlarges_objects() -> None:
    sprite = disc(1, centre=(31.5, 39.5), radius=8, grey=1.0)
    _, labels = paint(sprite, camera=still_camera(1, zoom=1.5, offset=(5, -7)))
    rows, columns = np.nonzero(labels[0])
    assert rows.mean() == pytest.approx(36.5, abs=0.3)
    assert columns.mean() == pytest.approx(32.5, abs=0.3)
    assert len(rows) == pytest.approx(np.pi * 12**2, rel=0.06)


def test_background_and_objects_follow_the_camera_alike() -> None:
    """A disc painted into the background stays under a sprite at the same place, whatever the camera does."""
    camera = Camera(np.array([[6, -9]], np.float32), np.array([0.4], np.float32), np.array([1.3], np.float32))
    size = (64, 80)
    extent = background_size(camera, size)
    rows, columns = np.ogrid[: extent[0], : extent[1]]
    world = (rows - (extent[0] - size[0]) / 2 - 20, columns - (extent[1] - size[1]) / 2 - 50)
    background = (np.hypot(*world) < 9).astype(np.float32)[..., None]
    frames, labels = compose(Scene(background, camera, (disc(1, centre=(20, 50), radius=9, grey=1.0),)), size)
    bare, _ = compose(Scene(background, camera, ()), size)
    spot = bare[0, ..., 0] > 0.5
    assert (spot & (labels[0] == 1)).sum() / (spot | (labels[0] == 1)).sum() > 0.9
    assert frames.shape == (1, *size, 1)


@pytest.mark.parametrize("kind", OUTLINES)
def test_outlines_fit_into_the_unit_circle(kind: str) -> None:
    rng = np.random.default_rng(0)
    rows, columns = grid(81, 1.5)
    for _ in range(20):
        inside = level_maps(rng, draw_outline(rng, kind), n_pixels=81, extent=1.5, change=0.0)[..., 0] > 0
        assert inside.any()
        assert np.hypot(rows, columns)[inside].max() < 1.12


def test_jittered_outlines_are_similar() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        maps = level_maps(rng, draw_outline(rng, "blob"), n_pixels=64, extent=1.2, change=0.05) > 0
        overlap = maps.all(axis=-1).sum() / maps.any(axis=-1).sum()
        assert 0.75 < overlap <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_textures_have_the_size_and_channels_asked_for(channels: int) -> None:
    rng = np.random.default_rng(2)
    for _ in range(30):
        skin = texture(rng, (31, 50), colours=palette(rng, 3, channels=channels))
        assert skin.shape == (31, 50, channels)
        assert skin.dtype == np.float32


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_stay_between_nought_and_one(name: str) -> None:
    rng = np.random.default_rng(3)
    for size in ((8, 8), (40, 71)):
        field = PATTERNS[name][0](rng, size)
        assert field.shape == size
        assert 0 <= field.min() <= field.max() <= 1


def test_noise_is_standardised_and_as_coarse_as_asked() -> None:
    coarse, fine = (noise_field(np.random.default_rng(4), (128, 128), cells=cells) for cells in (3, 40))
    for field in (coarse, fine):
        assert field.mean() == pytest.approx(0, abs=1e-3)
        assert field.std() == pytest.approx(1, abs=1e-3)
    assert np.abs(np.diff(coarse)).mean() < 0.3 * np.abs(np.diff(fine)).mean()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": (8, 64)}, r"size=\(8, 64\) is too small"),
        ({"n_frames": 0}, "n_frames=0"),
        ({"kind": "cats"}, "kind='cats'.*shapes, cells, slices, endoscope, natural"),
        ({"noise": -1.0}, "noise=-1.0"),
        ({"photographs": 1.5}, "photographs=1.5"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SceneSettings(**settings)


@pytest.mark.parametrize("name", NAMES)
def test_photographs_come_with_the_library(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "NAMES", (name,))
    rng = np.random.default_rng(2)
    for channels in (1, 3):
        surface = photographs.photograph(rng, (40, 90), channels=channels)
        assert surface.shape == (40, 90, channels) and surface.dtype == np.float32
        assert 0 <= surface.min() < surface.max() <= 1
        # A window of ever another place, size and light.
        assert (surface != photographs.photograph(rng, (40, 90), channels=channels)).any()


@pytest.mark.parametrize("kind", ["shapes", "natural"])
def test_surfaces_come_from_photographs(kind: str) -> None:
    drawn, mixed, again = (render(5, kind=kind, noise=0.0, photographs=share) for share in (0.0, 1.0, 1.0))
    np.testing.assert_array_equal(mixed.frames, again.frames)
    assert mixed.labels.any()
    assert (mixed.frames != drawn.frames).mean() > 0.5


def test_unknown_outline_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'square'.*ellipse"):
        draw_outline(np.random.default_rng(0), "square")


def test_rods_of_a_colony_touch_and_divide_and_keep_their_width() -> None:
    drawn = draw_colony(np.random.default_rng(3), SceneSettings(size=(256, 256), n_frames=12))
    counts = [len(np.unique(frame)) - 1 for frame in drawn.labels]
    assert counts[-1] > counts[0] > 1
    # Ids that are there stay: a mother hands hers on to a daughter.
    for before, after in pairwise(drawn.labels):
        assert set(np.unique(before)) <= set(np.unique(after))
    regions = regionprops(drawn.labels[-1])
    widths = [region.axis_minor_length for region in regions]
    assert np.quantile(widths, 0.9) < 1.4 * np.quantile(widths, 0.1)
    assert np.median([region.axis_major_length / region.axis_minor_length for region in regions]) > 1.5
    # Side by side, with next to no ground between them.
    grown = expand_labels(drawn.labels[-1], 2)
    touching = sum(bool(set(np.unique(grown[expand_labels(grown == i, 2)])) - {0, i}) for i in np.unique(grown)[1:])
    assert touching > 0.7 * counts[-1]
