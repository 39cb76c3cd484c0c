"""A model as a bioimage.io package: weights in ONNX, what goes in and comes out, test data, cover and documentation."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from napari_sam2.data.files.optional_packages import load_extra
from napari_sam2.data.images.pixels.contrast import choose_window, to_rgb8
from napari_sam2.data.images.stack import Stack
from napari_sam2.data.pictures.outlines import draw_objects
from napari_sam2.model.sam2 import Sam2
from napari_sam2.synthetic.samples import make_sample

from .onnx_graphs import OPSET, write_graph
from .prompt_graph import PromptedImageGraph, prompted_image

PURPOSE = "a bioimage.io package"
# Values between these percentiles of an image are spread over 0 to 1, as the contrast window of a stack does.
PERCENTILES = 0.1, 99.9
# How a package of this version differs from an earlier one of the same model.
PACKAGE_VERSION = "1.0.0"
COVER_SIZE = (512, 256)

_SAM2 = "Ravi et al. SAM 2: Segment Anything in Images and Videos. arXiv 2024"
_SAM2_DOI = "10.48550/arXiv.2408.00714"
_README = """\
# {name}

{description}

SAM 2 for single images: an image and prompts go in, a mask with two scores comes out for each object. The weights are
an ONNX file, which needs neither PyTorch nor code of ours.

| input | shape | what it is |
|---|---|---|
| `image` | (1, 3, Y, X) float32 | red, green, blue, in any range of values; a grey image three times |
| `points` | (1, n, p, 2) float32 | for each of n objects p points as (x, y), in pixels of the image |
| `point_labels` | (1, n, p) int64 | 1 on the object, 0 off it; 2 and 3 a box's corners, before clicks; -1 no point |
| `mask_prompts` | (1, n, Y, X) uint8 | a rough mask of an object, beside clicks or a box of it, or zeros for none |

| output | shape | what it is |
|---|---|---|
| `masks` | (1, n, Y, X) uint8 | 1 inside the object |
| `scores` | (1, n) float32 | how well the model takes the mask to fit, as an IoU in 0 to 1 |
| `object_scores` | (1, n) float32 | how sure the model is that the object is there; up to 0.5 its mask is empty |

An object with fewer points than others has points of label -1. The image is squeezed into {side} by {side} pixels.
napari-sam2 follows objects through videos and stacks with the same weights, and clicks better: it looks several times.

```python
from bioimageio.core import load_model, predict
from bioimageio.core.digest_spec import get_test_input_sample

model = load_model("{file}")
result = predict(model=model, inputs=get_test_input_sample(model))
print(result.members["masks"].data.shape)
```

## Validation

The test data are a drawn image of cells with a click, a box, and a click with a rough mask; what is expected of them
was computed with PyTorch. On images of your own, draw the outline of some objects, prompt each as you would later, and
compare by the IoU of mask and outline.

Weights: {weights}, {licence}. {notice}
"""


@dataclass(frozen=True)
class PackageNotes:
    """What people read about a model."""

    name: str
    description: str
    authors: Sequence[str]
    # A licence's SPDX identifier.
    licence: str
    # Name or file of the weights.
    weights: str
    # What has to be known before the weights are used.
    notice: str = ""


def check_package_path(path: Path) -> None:
    """Refuse a file that is there, before the minute that a package takes."""
    for package in ("bioimageio.spec", "onnx", "onnxscript"):
        load_extra(package, PURPOSE)
    if path.exists():
        raise FileExistsError(f"{path} is there already: remove it, or name another file")


def write_package(model: Sam2, path: Path, notes: PackageNotes) -> Path:
    """Write a model as a bioimage.io package.

    ``model``: with float32 weights, loaded with the preset ``exact``. ``path``: a zip file that is not there yet.
    """
    check_package_path(path)
    with tempfile.TemporaryDirectory() as folder:
        description = _describe(model, Path(folder), notes, file=path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        load_extra("bioimageio.spec", PURPOSE).save_bioimageio_package(description, output_path=path)
    return path


def example_inputs() -> dict[str, NDArray[Any]]:
    """A drawn image with a click, a box, and a click with a rough mask, one object each."""
    sample = make_sample("cells")
    labels = sample.labels[0]
    biggest = np.argsort(np.bincount(labels.ravel())[1:])[:-4:-1] + 1
    points, kinds = np.zeros((1, 3, 2, 2), np.float32), np.full((1, 3, 2), -1)
    for clicked in (0, 2):
        rows, columns = np.nonzero(labels == biggest[clicked])
        points[0, clicked, 0], kinds[0, clicked, 0] = (np.median(columns), np.median(rows)), 1
    rows, columns = np.nonzero(labels == biggest[1])
    points[0, 1], kinds[0, 1] = [(columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)], (2, 3)
    drawn = np.zeros((1, 3, *labels.shape), np.uint8)
    drawn[0, 2] = labels == biggest[2]
    grey = sample.frames[0].astype(np.float32)
    image = np.repeat(grey[None, None], 3, axis=1)
    return {"image": image, "points": points, "point_labels": kinds.astype(np.int64), "mask_prompts": drawn}


def expected_outputs(model: Sam2, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What PyTorch computes, which the ONNX file is tested against."""
    low, high = np.percentile(inputs["image"], PERCENTILES)
    image = np.clip((inputs["image"] - low) / (high - low), 0, 1).astype(np.float32)
    with torch.no_grad():
        outputs = PromptedImageGraph(model)(**{k: torch.from_numpy(v) for k, v in {**inputs, "image": image}.items()})
    return {name: value.numpy() for name, value in zip(PromptedImageGraph.outputs, outputs, strict=True)}


def _describe(model: Sam2, folder: Path, notes: PackageNotes, *, file: str) -> Any:
    spec = load_extra("bioimageio.spec.model.v0_5", PURPOSE)
    inputs = example_inputs()
    outputs = expected_outputs(model, inputs)
    for name, array in {**inputs, **outputs}.items():
        np.save(folder / f"{name}.npy", array)
    weights = write_graph(prompted_image(model), folder / "weights.onnx")
    _draw_cover(folder / "cover.png", inputs["image"][0, 0], outputs["masks"][0])
    readme = _README.format(**vars(notes), side=model.config.image_size, file=file)
    (folder / "README.md").write_text(readme, encoding="utf-8")
    return spec.ModelDescr(
        name=notes.name,
        description=notes.description,
        version=spec.Version(PACKAGE_VERSION),
        license=spec.LicenseId(notes.licence),
        authors=[spec.Author(name=name) for name in notes.authors],
        cite=[spec.CiteEntry(text=_SAM2, doi=spec.Doi(_SAM2_DOI))],
        tags=["segment-anything", "instance-segmentation", "interactive-segmentation", "sam2", "napari"],
        covers=[spec.FileDescr(source=folder / "cover.png")],
        documentation=spec.FileDescr(source=folder / "README.md"),
        inputs=_inputs(spec, folder),
        outputs=_outputs(spec, folder),
        weights=spec.WeightsDescr(onnx=spec.OnnxWeightsDescr(source=weights, opset_version=OPSET)),
        config=spec.Config(bioimageio=_config(spec, model)),
    )


def _config(spec: Any, model: Sam2) -> Any:
    """What the model is, and how close to PyTorch's an answer has to be."""
    exact = {"relative_tolerance": 0, "absolute_tolerance": 0}
    scores = {**exact, "relative_tolerance": 0.01, "output_ids": ["scores", "object_scores"]}
    # Along an outline, a logit may come out on the other side of zero.
    masks = {**exact, "mismatched_elements_per_million": 500, "output_ids": ["masks"]}
    return spec.BioimageioConfig(
        architecture_type="SAM 2",
        architecture_description=f"napari-sam2 {version('napari-sam2')}: encoder, prompt encoder, mask decoder",
        task="interactive segmentation",
        model_parameter_count=sum(weight.numel() for weight in model.parameters()),
        reproducibility_tolerance=[spec.ReproducibilityTolerance(**one) for one in (scores, masks)],
    )


def _inputs(spec: Any, folder: Path) -> list[Any]:
    side = spec.ParameterizedSize(min=64, step=1)
    low, high = PERCENTILES
    spread = spec.ScaleRangeKwargs(axes=("channel", "y", "x"), min_percentile=low, max_percentile=high)
    image = (
        [
            _channels(spec, "red", "green", "blue"),
            spec.SpaceInputAxis(id="y", size=side),
            spec.SpaceInputAxis(id="x", size=side),
        ],
        {
            "description": "red, green and blue in any range of values; a grey image three times",
            "preprocessing": [
                spec.ScaleRangeDescr(kwargs=spread),
                spec.ClipDescr(kwargs=spec.ClipKwargs(min=0.0, max=1.0)),
            ],
        },
    )
    return list(_tensors(spec, spec.InputTensorDescr, folder, {"image": image, **_prompt_inputs(spec)}))


def _prompt_inputs(spec: Any) -> dict[str, tuple[list[Any], dict[str, Any]]]:
    any_number = spec.ParameterizedSize(min=1, step=1)
    rows, columns = _image_size(spec)
    objects, clicks = (
        spec.IndexInputAxis(id=axis, size=spec.SizeReference(tensor_id="points", axis_id=axis))
        for axis in ("object", "point")
    )
    return {
        "points": (
            [
                *(spec.IndexInputAxis(id=axis, size=any_number) for axis in ("object", "point")),
                _channels(spec, "x", "y"),
            ],
            {"description": "clicks and corners of boxes, in pixels of the image"},
        ),
        "point_labels": (
            [objects, clicks],
            {
                "description": "1 on the object, 0 off it, 2 and 3 a box's top left and bottom right, -1 no point",
                "data": spec.NominalOrOrdinalDataDescr(values=[-1, 0, 1, 2, 3], type="int64"),
            },
        ),
        "mask_prompts": (
            [objects, spec.SpaceInputAxis(id="y", size=rows), spec.SpaceInputAxis(id="x", size=columns)],
            {
                "description": "a rough mask of an object beside its clicks or box, or zeros for none",
                "data": spec.NominalOrOrdinalDataDescr(values=[0, 1], type="uint8"),
            },
        ),
    }


def _outputs(spec: Any, folder: Path) -> list[Any]:
    objects = spec.IndexOutputAxis(id="object", size=spec.SizeReference(tensor_id="points", axis_id="object"))
    rows, columns = _image_size(spec)
    shapes = {
        "masks": (
            [objects, spec.SpaceOutputAxis(id="y", size=rows), spec.SpaceOutputAxis(id="x", size=columns)],
            {
                "description": "1 inside the object",
                "data": spec.NominalOrOrdinalDataDescr(values=[0, 1], type="uint8"),
            },
        ),
        "scores": ([objects], {"description": "how well the mask is taken to fit, as an IoU"}),
        "object_scores": ([objects], {"description": "how sure the model is that the object is there"}),
    }
    return list(_tensors(spec, spec.OutputTensorDescr, folder, shapes))


def _image_size(spec: Any) -> list[Any]:
    return [spec.SizeReference(tensor_id="image", axis_id=axis) for axis in "yx"]


def _channels(spec: Any, *names: str) -> Any:
    return spec.ChannelAxis(channel_names=list(names))


def _tensors(
    spec: Any, kind: Any, folder: Path, shapes: Mapping[str, tuple[list[Any], Mapping[str, Any]]]
) -> Iterator[Any]:
    for name, (axes, more) in shapes.items():
        test = spec.FileDescr(source=folder / f"{name}.npy")
        yield kind(id=name, axes=[spec.BatchAxis(size=1), *axes], test_tensor=test, **more)


def _draw_cover(path: Path, grey: NDArray[Any], masks: NDArray[np.uint8]) -> None:
    """The drawn image beside what the model made of its prompts."""
    image = to_rgb8(grey, choose_window(Stack.from_array(grey[None], "t")))
    labels = np.max(masks * np.arange(1, len(masks) + 1, dtype=np.uint8)[:, None, None], axis=0)
    half = COVER_SIZE[0] // 2, COVER_SIZE[1]
    cover = Image.new("RGB", COVER_SIZE)
    cover.paste(Image.fromarray(image).resize(half, Image.Resampling.LANCZOS), (0, 0))
    cover.paste(draw_objects(image, labels, half), (half[0], 0))
    cover.save(path)
