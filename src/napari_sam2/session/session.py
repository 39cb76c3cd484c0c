"""`Session`, the main class for scripts: prompts, tracking and results of one stack, saved to a folder if wanted."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from numpy.typing import ArrayLike

from napari_sam2.data.images.stack import Stack
from napari_sam2.data.labels.provenance import Maker
from napari_sam2.model.sam2 import Sam2

from .core import TrackingSession

if TYPE_CHECKING:
    from napari_sam2.session.tracking.run_plan import TrackingRun
    from napari_sam2.storage.writer import SessionWriter


class Session(TrackingSession):
    """Prompts, memories and results of one stack and one model.

    Parameters
    ----------
    model : Sam2
        From `napari_sam2.load_model`.
    frames : Stack or array-like
        (T, Y, X), (T, Y, X, 3), (Y, X) or (Y, X, 3) of any real type; numpy, dask, zarr or anything sliceable. Frames
        are read when they are needed and not held.
    contrast_limits : sequence of float, optional
        Values shown black and white, one pair for the whole stack; chosen from a sample of frames where not given.
        8-bit colour is left as it is.
    fill_hole_area : int
        Holes of up to this many pixels of the mask decoder's grid (a quarter of the model's input) are filled; 0 fills
        none.
    axis : str
        ``"t"`` or ``"z"``: what the frames are. A given `Stack` knows that itself.
    zoom : str or float, optional
        ``"auto"``: a small object is tracked in a crop that moves with it; ``"off"``: the model sees whole frames; a
        number: crops that many times smaller than the frame, for every object that fits. Where not given,
        ``"off"`` for a model loaded with ``preset="exact"``, else ``"auto"``.
    memory : str
        Which earlier frames a frame attends to. ``"standard"``: the last ones, as in SAM 2; ``"gated"``: the last ones
        on which the object was seen well; ``"distractor"``, ``"motion"``, ``"long"`` and others are described in
        docs/memory-rules.md. ``"auto"`` is the one that measures best, with ``preset="exact"`` the standard one.
    cache_bytes : int, optional
        How much memory image features may take; 48 MiB or six frames where not given, whichever is more.
    cache_folder : str or path-like, optional
        Image features are kept on disk there, too, up to 4 GiB: frames encoded once are not encoded again, in this
        session or a later one.
    labels_folder : str or path-like, optional
        Labels go to a new zarr array there, (T, Y, X) uint32; compressed in memory where not given.
    folder : str or path-like, optional
        A new session folder, where all is saved as the work goes; see `save`.
    exemplars : Session or path-like, optional
        A session of the same model, or its folder: what its objects look like where they were prompted is known here;
        see `take_exemplars`.

    Attributes
    ----------
    problems : tuple of str
        What `open` could not restore, a line each.

    Raises
    ------
    ValueError
        If the frames have another shape, an argument is out of range or there is something in one of the folders.
    """

    problems: tuple[str, ...] = ()
    _writer: SessionWriter | None = None

    def __init__(
        self,
        model: Sam2,
        frames: Stack | ArrayLike,
        *,
        contrast_limits: Sequence[float] | None = None,
        fill_hole_area: int = 8,
        axis: str = "t",
        zoom: str | float | None = None,
        memory: str = "auto",
        cache_bytes: int | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
        labels_folder: str | os.PathLike[str] | None = None,
        folder: str | os.PathLike[str] | None = None,
        exemplars: Session | str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(
            model,
            frames,
            contrast_limits=contrast_limits,
            fill_hole_area=fill_hole_area,
            axis=axis,
            zoom=zoom,
            memory=memory,
            cache_bytes=cache_bytes,
            cache_folder=cache_folder,
            labels_folder=labels_folder,
        )
        if exemplars is not None:
            self.take_exemplars(exemplars)
        if folder is not None:
            self.save(folder)

    def take_exemplars(self, source: Session | str | os.PathLike[str]) -> tuple[int, ...]:
        """Know from another session what objects look like: tracking attends to its prompted frames, too.

        Objects go by their ids. One that is not here yet is added, and without a prompt looked for from the first frame
        on. What was tracked without exemplars is out of date.

        Parameters
        ----------
        source : Session or path-like
            A session of the same model in which the objects were prompted and tracked, or its folder.

        Returns
        -------
        tuple of int
            The objects that have exemplars now.

        Raises
        ------
        ValueError
            If it is of another model, or holds no tracked object with a prompt.
        FileNotFoundError
            If there is no such folder.
        """
        from napari_sam2.storage.exemplars import read_exemplars, session_exemplars

        found = session_exemplars(source, self) if isinstance(source, Session) else read_exemplars(Path(source), self)
        self.take_memories(found)
        return tuple(self.exemplars)

    @staticmethod
    def _describe_maker(model: Sam2, memory: str) -> Maker:
        from napari_sam2.storage.fingerprint import maker_of

        return maker_of(model, memory)

    @property
    def folder(self) -> Path | None:
        """The session folder to which changes are saved; ``None`` without one."""
        return None if self._writer is None else self._writer.folder

    def save(self, folder: str | os.PathLike[str] | None = None) -> Path:
        """Save everything to a session folder, and from then on every prompt and every frame as it comes.

        Parameters
        ----------
        folder : str or path-like, optional
            A new folder; names end in ``.napari-sam2`` by custom. The present one where not given.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        ValueError
            If there is something in the folder already, or none was ever given.
        OSError
            If it cannot be written; the session itself is as it was.
        """
        from napari_sam2.storage.writer import SessionWriter

        if folder is not None and (self._writer is None or Path(folder).resolve() != self._writer.folder):
            # The new folder is complete before the old one is closed: if writing fails, the session stays as it was.
            writer = SessionWriter.create(folder, self)
            self.close()
            self._writer = writer
        if self._writer is None:
            raise ValueError("say where the session is to be saved: save(folder)")
        # Also waits until all that was written is on the disk.
        self._writer.save(self)
        return self._writer.folder

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str],
        frames: Stack | ArrayLike | None = None,
        model: Sam2 | None = None,
    ) -> Self:
        """Open a saved session; later changes are saved to its folder, too.

        Parameters
        ----------
        folder : str or path-like
            The session folder.
        frames : Stack or array-like, optional
            The image; found by the path it had, or beside the folder, where not given.
        model : Sam2, optional
            Loaded as it was where not given. With another model than the session's, prompts are answered again, results
            are out of date, and nothing is saved before `save` names another folder.

        Returns
        -------
        Session
            With everything there was, undo history included. What is damaged or not known to this version is left
            out and named in `problems`; the session is then not saved before `save` names another folder.

        Raises
        ------
        ValueError
            If it is no session folder, or the image is another one than the session's.
        FileNotFoundError
            If the folder, the image or the model's file is not there; the message says what to do.
        """
        from napari_sam2.storage.reader import OpenFolder

        opening = OpenFolder.read(Path(folder), frames=frames, model=model)
        # The session is made without a folder, so that restoring it saves nothing; the writer comes last.
        session = cls(opening.model, opening.stack, **opening.settings)
        session._writer, session.problems = opening.restore(session)
        return session

    def record(self, tracked: TrackingRun | None = None) -> None:
        """Save what has changed, if the session has a folder; called by every method that changes something.

        Parameters
        ----------
        tracked : TrackingRun, optional
            Given where nothing has changed but by the last visit of this run.

        Raises
        ------
        OSError
            If that fails. The session in memory is not affected, and the next change tries again.
        """
        # Without a folder there is nothing to do; before `__init__` is done there is none yet.
        if self._writer is not None:
            self._writer.record(self, tracked)

    def rest(self) -> None:
        """Save what would take long to compute again; what fails is tried again with the next change."""
        # A paused run is closed when Python ends, when modules needed for writing may be gone.
        if self._writer is not None and not sys.is_finalizing():
            with suppress(OSError):
                self._writer.rest(self)

    def close(self) -> None:
        """Unlock the folder, so that another program can open it; later changes are no longer saved."""
        # The lock is given up last: until then nobody else may write.
        if self._writer is not None:
            # So that nothing has to be made again when it is opened.
            with suppress(OSError):
                self._writer.rest(self, 0.0)
            self._writer.close()
            self._writer = None
