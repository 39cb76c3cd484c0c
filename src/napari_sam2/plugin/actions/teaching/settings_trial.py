"""Settings of tracking tried on the frames that the user has accepted, as a run of the worker."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal

from napari_sam2.plugin.panel.model_box import MEMORIES, ZOOMS
from napari_sam2.plugin.worker.messages import ModelChoice
from napari_sam2.plugin.worker.result_run import ResultRun
from napari_sam2.weights.catalog import CATALOG, is_available

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from qtpy.QtWidgets import QComboBox

    from napari_sam2.plugin.actions.teaching.finetuning import Teaching
    from napari_sam2.plugin.controller import Controller
    from napari_sam2.plugin.panel.model_box import ModelBox
    from napari_sam2.training.finetune.try_settings import TrackingSettings, TrialProgress, TriedSettings

TRYING = "trying settings"
_PRESETS = ("balanced", "fast")
# A factor of zoom is for those who know how small their objects are.
_ZOOMS = ("auto", "off")


class SettingsTrial(ResultRun):
    """Tries models, presets, zoom and memory rules, and chooses the best of them under Model."""

    # With a tuple of `TriedSettings`, before `ended`.
    tried = Signal(object)

    def __init__(self, controller: Controller, teaching: Teaching, box: ModelBox) -> None:
        super().__init__(controller.worker, controller.failed.emit)
        self._controller = controller
        self._teaching = teaching
        self._box = box
        self._outcome: tuple[TriedSettings, ...] = ()

    def start(self) -> None:
        """Try the settings at hand, then others; unless something else is under way."""
        controller, choice = self._controller, self._box.choice
        if controller.is_busy:
            return
        if controller.model is None or choice is None:
            controller.failed.emit(ValueError("There is no model yet: choose one under Model."))
            return
        self._outcome = ()
        # Model and frames are captured now: the image may change while the run goes on.
        work = partial(_try, controller.model, choice, self._teaching.material(), (controller.zoom, controller.memory))
        self._begin(work, TRYING)

    def use_best(self) -> None:
        """Choose the best settings under Model; prompts stay, results wait for an update."""
        from napari_sam2.training.finetune.try_settings import best_of

        if not self._outcome:
            return
        best, present, box = best_of(self._outcome).settings, self._outcome[0].settings, self._box
        zooms = {value: name for name, (value, _) in ZOOMS.items()}
        # As if the user had chosen them, and only those that differ: each begins something.
        _choose(box.zoom, zooms.get(best.zoom), best.zoom != present.zoom)
        _choose(box.memory, best.memory, best.memory != present.memory)
        _choose(box.preset, best.preset, best.preset != present.preset)
        _choose(box.model, best.model, best.model != present.model)

    def _take(self, result: tuple[TriedSettings, ...]) -> None:
        self._outcome = result
        self.tried.emit(result)


def _choose(combo: QComboBox, value: Any, differs: bool) -> None:
    index = combo.findData(value)
    if differs and index >= 0:
        combo.setCurrentIndex(index)


def _try(
    model: Any, choice: ModelChoice, material: Sequence[dict[str, Any]], session: tuple[str | float, str]
) -> Generator[TrialProgress, None, tuple[TriedSettings, ...]]:
    from napari_sam2.plugin.worker.engine import load as load_choice
    from napari_sam2.session.tracking.memory.policies import policy_name
    from napari_sam2.training.finetune.examples import LabelledStack
    from napari_sam2.training.finetune.try_settings import TrackingSettings, try_settings

    own = choice.name or str(choice.checkpoint)
    zoom, memory = session
    present = TrackingSettings(own, choice.preset, zoom, memory)

    def load(settings: TrackingSettings) -> Any:
        # The one in use may be taught, and is there already.
        if (settings.model, settings.preset) == (present.model, present.preset):
            return model
        name, file = (settings.model, None) if settings.model in CATALOG else (None, settings.model)
        return load_choice(ModelChoice(name, file, choice.device, settings.preset, choice.backend))

    # A rule that goes by two names is tried once.
    rules = [rule for rule in MEMORIES if policy_name(rule) != policy_name(memory)]
    rules = [rule for rule in rules if rule == policy_name(rule)]
    choices = {
        "model": [name for name in CATALOG if is_available(name)],
        "preset": _PRESETS,
        "zoom": [ZOOMS[name][0] for name in _ZOOMS],
        "memory": rules,
    }
    return try_settings([LabelledStack(**given) for given in material], present, choices, load=load)
