"""The part of the panel that shows how finding objects goes, and chooses among what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QProgressBar, QSlider, QSpinBox, QWidget

from napari_sam2.plugin.panel.arrange import column, make_buttons, row
from napari_sam2.plugin.state.panel_state import greyed
from napari_sam2.wording import counted

from .text_find_box import TextFindBox

if TYPE_CHECKING:
    from napari_sam2.plugin.state.panel_state import PanelState

_BUTTONS = {
    "find_take": ("Take all", "Make objects of the proposals that are filled, in one step"),
    "find_cancel": ("Cancel", "Leave everything as it was"),
}
_TIPS = {
    "find_bar": "How sure a proposal must be to be taken, 0 to 1",
    "find_area_min": "Smaller proposals are left out, in pixels",
    "find_area_max": "Larger proposals are left out, in pixels",
    "find_progress": "How much of the frame is looked at",
}
_NAMES = {"find_bar": "Least score", "find_area_min": "Least area", "find_area_max": "Greatest area"}
_STEPS = 100
_DEFAULT_BAR = 30
_MOST_PIXELS = 10**7


class FindBox(QWidget):
    """Stands in the panel while objects are looked for, and while there are proposals to take."""

    # The bar or the areas are others.
    narrowed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("find_box")
        # Stands elsewhere in the panel, and in sight when there is nothing to choose among.
        self.words = TextFindBox()
        self.buttons = make_buttons(_BUTTONS)
        self.progress, self.bar, self._bar_text = QProgressBar(), QSlider(Qt.Orientation.Horizontal), QLabel()
        self.area_min, self.area_max = QSpinBox(), QSpinBox()
        parts = (self.bar, self.area_min, self.area_max, self.progress)
        for part, (name, text) in zip(parts, _TIPS.items(), strict=True):
            part.setObjectName(name)
            part.setToolTip(text)
            part.setAccessibleName(_NAMES.get(name, "Progress of finding"))
        self.progress.setRange(0, _STEPS)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.bar.setRange(0, _STEPS)
        self.bar.setValue(_DEFAULT_BAR)
        for box in (self.area_min, self.area_max):
            box.setRange(0, _MOST_PIXELS)
        # The least value stands for none.
        self.area_max.setSpecialValueText("any")
        self._choice = column(
            row(QLabel("score from"), self.bar, self._bar_text),
            row(QLabel("area"), self.area_min, QLabel("to"), self.area_max),
        )
        column(self.progress, self._choice, row(self.buttons["find_take"], self.buttons["find_cancel"]), into=self)
        self.bar.valueChanged.connect(self._show_bar)
        for control in (self.bar, self.area_min, self.area_max):
            control.valueChanged.connect(lambda _value: self.narrowed.emit())
        self._show_bar()

    @property
    def least_score(self) -> float:
        """Score from which on proposals are taken."""
        return float(self.bar.value()) / _STEPS

    @property
    def areas(self) -> tuple[float, float]:
        """Least and greatest area of a proposal that is taken, in pixels."""
        return float(self.area_min.value()), float(self.area_max.value() or "inf")

    def show_progress(self, share: float) -> None:
        """Show how much of the frame is looked at, 0 to 1."""
        self.progress.setValue(round(share * _STEPS))

    def show_state(self, state: PanelState) -> None:
        """Show what is of use now, and how many objects would be taken."""
        self.words.show_usable(is_usable="find_objects" not in greyed(state))
        self.setVisible(state.is_finding or state.n_proposals > 0)
        self.progress.setVisible(state.is_finding)
        self._choice.setVisible(not state.is_finding)
        take = self.buttons["find_take"]
        take.setVisible(not state.is_finding)
        if state.n_proposals:
            is_all = state.n_taken == state.n_proposals
            take.setText(f"Take all {state.n_taken}" if is_all else f"Take {counted(state.n_taken, 'object')}")
        take.setEnabled(state.n_taken > 0)

    def _show_bar(self) -> None:
        self._bar_text.setText(f"{self.least_score:.2f}")
