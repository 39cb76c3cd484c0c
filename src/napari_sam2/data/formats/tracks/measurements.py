"""Tables of measurements: what each object is like on each frame, and what became of each track."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.data.formats.export_data import regions_of

from .track_graph import descents_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam2.data.formats.export_data import Region, Results
    from napari_sam2.data.images.stack import Stack

# Names of the tables in the folder that is written.
_ROWS, _TRACKS = "measurements.csv", "tracks.csv"
_SHAPE = ("eccentricity", "solidity", "axis_major_length", "axis_minor_length")
_INTENSITIES = ("mean", "sum", "min", "max")


def write_measurements(path: Path, results: Results) -> None:
    """Write ``measurements.csv``, a row per object and frame, and ``tracks.csv``, a row per object."""
    rows = measurements(results)
    path.mkdir()
    rows.to_csv(path / _ROWS, index=False, float_format="%.6g")
    track_measurements(rows, results).to_csv(path / _TRACKS, index=False, float_format="%.6g")


def is_measurements(path: Path) -> bool:
    """Tell whether a folder holds nothing but what `write_measurements` writes."""
    return {one.name for one in path.iterdir()} <= {_ROWS, _TRACKS}


def measurements(results: Results) -> pd.DataFrame:
    """Measure every object on every frame.

    Parameters
    ----------
    results : Results
        Of a stack.

    Returns
    -------
    DataFrame
        In pixels, and where the stack has sizes in its units: place, area, shape, intensities of each channel of the
        images that were tracked (as stored), the way from the frame before (per unit of time) and from the first one.
    """
    # Loaded here, as below: it takes long to import.
    import pandas as pd

    rows = []
    for frame in range(results.stack.n_frames):
        regions = list(regions_of(results.labels[frame], frame))
        # A frame that shows nothing is not read.
        image = results.stack.read(frame) if regions and results.has_pixels else None
        rows += [_measured(region, image, results) for region in regions]
    table = pd.DataFrame(rows, columns=None if rows else ["object", "frame", "y", "x", "area"])
    table = table.sort_values(["object", "frame"], ignore_index=True)
    return _with_motion(table, results.stack)


def track_measurements(rows: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Sum up each object's rows of `measurements`: begin, end, mother, generation, division, means and ways."""
    import pandas as pd

    descents = descents_of(results.object_ids, results)
    divided = {one.mother for one in descents.values()} - {0}
    tracks = []
    for label, mine in rows.groupby("object"):
        one = descents[int(label)]
        begin, end = int(mine["frame"].iloc[0]), int(mine["frame"].iloc[-1])
        described = {"object": label, "name": results.name_of(int(label)), "begin": begin, "end": end}
        described |= {"class": results.class_of(int(label))} if results.classes else {}
        described |= {"frames_seen": len(mine), "parent": one.mother or None, "family": one.family}
        described |= {"generation": one.generation, "divides": int(label) in divided}
        means = mine.drop(columns=["object", "frame", "name", "displacement"], errors="ignore").mean(numeric_only=True)
        way = np.hypot(*np.diff(mine[["y", "x"]].to_numpy() * _sizes(results.stack), axis=0).T).sum()
        described |= {"path_length": way, "displacement": mine["displacement"].iloc[-1]}
        tracks.append(described | {f"mean_{name}": value for name, value in means.items() if name not in ("y", "x")})
    return pd.DataFrame(tracks)


def _measured(region: Region, image: NDArray[Any] | None, results: Results) -> dict[str, Any]:
    from skimage.measure import regionprops

    stack = results.stack
    (shape,) = regionprops(region.mask.astype(np.uint8))
    y, x = shape.centroid[0] + region.area[0].start, shape.centroid[1] + region.area[1].start
    row: dict[str, Any] = {"object": region.object_id, "name": results.name_of(region.object_id), "frame": region.frame}
    row |= {"class": results.class_of(region.object_id)} if results.classes else {}
    row |= {"y": y, "x": x, "area": int(shape.area)}
    unit = stack.axes[-1].unit
    if unit is not None:
        row[f"area_{unit}2"] = float(shape.area) * float(_sizes(stack).prod())
    row |= {name: float(getattr(shape, name)) for name in _SHAPE}
    score = results.scores.get(region.frame, region.object_id)
    row["object_score"] = None if score is None else score.object_score
    if image is not None:
        pixels = image[region.area][region.mask].astype(np.float64).reshape(int(shape.area), -1)
        for channel, values in enumerate(pixels.T):
            ending = f"_{channel}" if pixels.shape[1] > 1 else ""
            row |= {f"intensity_{name}{ending}": float(getattr(values, name)()) for name in _INTENSITIES}
    return row


def _with_motion(rows: pd.DataFrame, stack: Stack) -> pd.DataFrame:
    """Add the speed since the object's row before, and the way from its first."""
    places = rows[["y", "x"]].astype(float) * _sizes(stack)
    steps = places.groupby(rows["object"]).diff()
    times = rows.groupby("object")["frame"].diff() * (stack.axes[0].scale or 1.0)
    away = places - places.groupby(rows["object"]).transform("first")
    return rows.assign(speed=np.hypot(steps["y"], steps["x"]) / times, displacement=np.hypot(away["y"], away["x"]))


def _sizes(stack: Stack) -> NDArray[np.float64]:
    """Height and width of a pixel; 1 where not known."""
    return np.array([axis.scale or 1.0 for axis in stack.axes[-2:]])
