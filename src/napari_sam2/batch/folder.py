"""Jobs found in a folder that holds stacks with their prompts beside them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from .file_names import SESSION_ENDING, plain_name, prompts_name
from .jobs import BatchJob, JobList, JobPaths, OptionReader, check_name, same_names


def read_folder(folder: Path, output: Path, read_options: OptionReader) -> JobList:
    """Find stacks and their prompts in a folder.

    ``NAME.tif``, or any other stack that is called ``NAME``, goes with ``NAME.prompts.json``, ``NAME.labels.tif`` (or
    ``NAME.labels.nii.gz`` and the like) or the session folder ``NAME.napari-sam2``.
    """
    from napari_sam2.data.readers.scans.nifti import has_header

    folder, output = folder.resolve(), output.resolve()
    # By name of the stack: files of images, and files of prompts.
    images: dict[str, list[Path]] = defaultdict(list)
    prompts: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        # Of two files that are one image, the header stands for both.
        if path.name.startswith(".") or path == output or has_header(path):
            continue
        name = prompts_name(path)
        kind, name = (images, plain_name(path)) if name is None else (prompts, name)
        # Masks that a prompts file refers to lie in a folder beside it.
        if not (path.is_dir() and path.name.endswith("_masks")):
            kind[name].append(path)
    if not prompts:
        raise ValueError(
            f"{folder} holds no prompts: put NAME.prompts.json, NAME.labels.tif or a session NAME.napari-sam2 beside "
            "each stack NAME.tif"
        )
    found = JobList(
        skipped=[f"{path.name}: no prompts for it" for name in images for path in images[name] if name not in prompts]
    )
    # All mistakes are collected, so that a user can mend them in one go.
    for name, sources in prompts.items():
        try:
            found.jobs.append(_job(name, sources, images.get(name, []), output=output, read_options=read_options))
        except ValueError as error:
            found.mistakes.append(f"{sources[0].name}: {error}")
        except LookupError as error:
            found.skipped.append(f"{sources[0].name}: {error.args[0]}")
    found.mistakes.extend(same_names(found.jobs))
    return found


def _job(name: str, sources: list[Path], images: list[Path], *, output: Path, read_options: OptionReader) -> BatchJob:
    # Never guess between two candidates.
    if len(sources) > 1:
        raise ValueError(f"{name} has prompts in {' and in '.join(path.name for path in sources)}: leave one of them")
    (source,) = sources
    # A session knows its own image, which need not lie in the folder.
    is_session = source.name.lower().endswith(SESSION_ENDING)
    if len(images) > 1 and not is_session:
        raise ValueError(f"{name} can be {' or '.join(path.name for path in images)}: call one of them something else")
    if not images and not is_session:
        raise LookupError(f"there is no stack {name} for these prompts")
    paths = JobPaths(source if is_session else images[0], source, output / check_name(name))
    return BatchJob(name, source.name, read_options({}, source.parent, paths), source if is_session else None)
