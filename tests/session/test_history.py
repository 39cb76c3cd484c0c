"""Undo and redo, apart from what is edited."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_sam2.session.history import History


@dataclass
class Text:
    """Something to edit."""

    letters: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Put:
    letter: str
    nbytes: int = 1

    def apply(self, target: Text) -> Cut:
        target.letters.append(self.letter)
        return Cut()


@dataclass(frozen=True)
class Cut:
    nbytes: int = 10

    def apply(self, target: Text) -> Put:
        return Put(target.letters.pop())


def write(history: History, text: Text, letters: str) -> None:
    for letter in letters:
        history.record(Put(letter).apply(text))


def test_there_and_back() -> None:
    history, text = History(), Text()
    assert history.undo(text) is None
    assert not history.can_undo
    write(history, text, "abc")
    assert history.undo(text) == Cut()
    assert text.letters == ["a", "b"]
    assert history.can_redo
    assert history.redo(text) == Put("c")
    assert text.letters == ["a", "b", "c"]
    assert history.redo(text) is None
    while history.undo(text):
        pass
    assert text.letters == []
    while history.redo(text):
        pass
    assert text.letters == ["a", "b", "c"]


def test_a_new_edit_ends_redoing() -> None:
    history, text = History(), Text()
    write(history, text, "ab")
    history.undo(text)
    write(history, text, "c")
    assert not history.can_redo
    assert text.letters == ["a", "c"]
    history.undo(text)
    assert text.letters == ["a"]


def test_the_limit_forgets_the_oldest() -> None:
    history, text = History(limit=3), Text()
    write(history, text, "abcde")
    while history.undo(text):
        pass
    assert text.letters == ["a", "b"]
    assert history.can_redo


def test_clearing() -> None:
    history, text = History(), Text()
    write(history, text, "ab")
    history.undo(text)
    history.clear()
    assert not history.can_undo
    assert not history.can_redo
    assert text.letters == ["a"]


def test_what_takes_too_many_bytes_is_forgotten_but_for_the_latest() -> None:
    history, text = History(max_bytes=35), Text()
    write(history, text, "abcde")
    assert len(history.undos) == 3
    large = History(max_bytes=5)
    write(large, text, "fg")
    assert len(large.undos) == 1
    assert large.undo(text)
    assert text.letters[-1] == "f"
