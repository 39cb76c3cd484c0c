"""The methods of a session that keep it in a folder and bring it back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from numpy.typing import ArrayLike

from napari_sam2.data.images.stack import Stack
from napari_sam2.model.sam2 import Sam2

if TYPE_CHECKING:
    from napari_sam2.storage.writer import SessionWriter

    from .core import Session


class Saving:
    """Saves to a folder as the work goes.

    Attributes
    ----------
    problems : tuple of str
        What could not be brought back by `open`, a line each.
    """

    problems: tuple[str, ...] = ()
    _writer: SessionWriter | None = None

    @property
    def folder(self) -> Path | None:
        """The session folder that changes are saved to as the work goes."""
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
            writer = SessionWriter.create(folder, self._session)
            self.close()
            self._writer = writer
        if self._writer is None:
            raise ValueError("say where the session is to be saved: save(folder)")
        self._writer.record(self._session)
        self._writer.sync()
        return self._writer.folder

    @staticmethod
    def open(
        folder: str | os.PathLike[str],
        frames: Stack | ArrayLike | None = None,
        model: Sam2 | None = None,
    ) -> Session:
        """Bring a saved session back; it goes on being saved to its folder.

        Parameters
        ----------
        folder : str or path-like
            The session folder.
        frames : Stack or array-like, optional
            The image; found by the path it had, or beside the folder, where not given.
        model : Sam2, optional
            Loaded as it was where not given. With another model than the session's the prompts are answered anew,
            results are left behind, and nothing is saved before `save` names another folder.

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
        from napari_sam2.storage.reader import open_session

        return open_session(Path(folder), frames=frames, model=model)

    def record(self) -> None:
        """Save what has changed, where the session has a folder; done by every method that changes something.

        Raises
        ------
        OSError
            If that fails. The session is as it should be, and the next change tries again.
        """
        if self._writer is not None:
            self._writer.record(self._session)

    def close(self) -> None:
        """Let go of the folder, so that another program can go on with it; changes are no longer saved."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @property
    def _session(self) -> Session:
        # This class has no other use than to be a part of that one.
        return cast("Session", self)
