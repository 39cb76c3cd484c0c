"""Choosing a model: licences, downloads from a real server, files of the user's own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from napari.settings import get_plugin_settings
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QMessageBox

from napari_sam2.plugin.panel.combos.model_detail import detail_of
from napari_sam2.plugin.widget import Sam2Widget
from napari_sam2.plugin.worker import model_loader
from napari_sam2.plugin.worker.engine import load
from napari_sam2.weights.catalog import BUNDLED_NAME, CATALOG, is_available

if TYPE_CHECKING:
    from npe2._pytest_plugin import TestPluginManager

    from conftest import Desk
    from napari_sam2 import Session

# No hash of it was published, so that any bytes will do.
NAME = "MedSAM2_CTLesion"
SIZE = 1_000_000


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[threading.Event]:
    """A server of weights that sends the second half of a file when the gate opens."""
    opened = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(SIZE))
            self.end_headers()
            self.wfile.write(bytes(SIZE // 2))
            opened.wait(20)
            try:
                self.wfile.write(bytes(SIZE // 2))
            except OSError:
                return

        def log_message(self, *_args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("NAPARI_SAM2_WEIGHTS_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("NAPARI_SAM2_HOME", str(tmp_path / "home"))
    yield opened
    opened.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def asked(open_desk: Callable[..., Desk], frames: np.ndarray, gate: threading.Event) -> Desk:
    """A desk with a model chosen that is not here, and its licence on the screen."""
    desk = open_desk(frames)
    desk.find("model").setCurrentIndex(desk.find("model").findData(NAME))
    desk.press("download")
    return desk


def test_models_come_in_groups_with_their_size_and_whether_they_are_here(open_desk: Callable[..., Desk]) -> None:
    combo = open_desk(None).find("model")
    texts = [combo.itemText(row) for row in range(combo.count())]
    assert texts[0] == BUNDLED_NAME
    headings = [row for row in range(combo.count()) if not combo.model().item(row).isEnabled()]
    assert [texts[row] for row in headings] == ["general", "medical, research only"]
    assert all(name.startswith("MedSAM2") for name in texts[headings[1] + 1 : -1])
    assert detail_of(BUNDLED_NAME) == "bundled"
    assert detail_of("sam2.1_hiera_tiny") == "156.0 MB, not here"


def test_licence_is_shown_before_anything_is_fetched(asked: Desk) -> None:
    question = asked.find("licence")
    assert CATALOG[NAME].notice in question.text()
    assert CATALOG[NAME].licence in question.text()
    question.button(QMessageBox.StandardButton.Cancel).click()
    assert asked.find("download").isVisibleTo(asked.widget.panel.model_box)
    assert not asked.find("download_progress").isVisibleTo(asked.widget.panel.model_box)
    assert not is_available(NAME)


def test_download_shows_progress_and_ends_in_the_cache(asked: Desk, gate: threading.Event) -> None:
    asked.find("licence").button(QMessageBox.StandardButton.Ok).click()
    bar = asked.find("download_progress")
    asked.until(lambda: 0 < bar.value() < bar.maximum() == SIZE // 1000, "the first half")
    gate.set()
    asked.until(lambda: is_available(NAME), "the second half")
    asked.until(lambda: not bar.isVisibleTo(asked.widget.panel.model_box), "the end")
    assert not asked.find("download").isVisibleTo(asked.widget.panel.model_box)
    # The bytes are no model, and the widget says so.
    asked.until(lambda: any("cannot be read as" in record.message for record in notification_manager.records))


def test_download_can_be_cancelled(asked: Desk, gate: threading.Event) -> None:
    asked.find("licence").button(QMessageBox.StandardButton.Ok).click()
    bar = asked.find("download_progress")
    asked.until(lambda: bar.value() > 0, "the first half")
    asked.press("cancel_download")
    gate.set()
    asked.until(lambda: asked.find("download").isVisibleTo(asked.widget.panel.model_box), "the end")
    assert not is_available(NAME)


def test_a_file_that_is_no_checkpoint_is_told(
    open_desk: Callable[..., Desk], frames: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "broken.pt"
    path.write_bytes(b"not a checkpoint")
    # The model that the widget starts with is still on its way when the file is chosen.
    chosen = threading.Event()
    monkeypatch.setattr(model_loader, "load", lambda choice: load(choice) if chosen.wait(60) else None)
    desk = open_desk(frames)
    desk.widget.panel.model_box.set_checkpoint(path)
    chosen.set()
    # It takes no other's place: the model that the widget starts with is loaded all the same.
    desk.until(lambda: desk.widget.session is not None)
    assert any("broken.pt cannot be read" in record.message for record in notification_manager.records)
    assert desk.find("model_status").text().startswith("Ready: sam2_nano")


def clicked(desk: Desk) -> Session:
    """Click on an object, and look at its session."""
    desk.press("new_object")
    desk.click_shown(20, 30)
    return desk.widget.session


def test_the_model_in_use_stays_until_another_is_loaded(desk: Desk, tmp_path: Path) -> None:
    session, before = clicked(desk), desk.labels.copy()
    # One that is not here.
    desk.find("model").setCurrentIndex(desk.find("model").findData(NAME))
    desk.settle()
    assert "The model in use stays" in desk.find("model_status").text()
    in_use = desk.widget.controller.model_name
    line = desk.find("status_line").text()
    assert line.endswith(f"{NAME} is not on this machine: download it, or go on with {in_use}.")
    assert desk.widget.panel.sections["Model"].title.text() == in_use
    assert desk.find("download").isVisibleTo(desk.widget.panel.model_box)
    # One that is broken.
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"not a checkpoint")
    desk.widget.panel.model_box.set_checkpoint(broken)
    desk.until(lambda: desk.find("model_status").text() == "Not loaded: small_for_tests stays in use.")
    # A device that is not here.
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    told = len(notification_manager.records)
    desk.find("device").setCurrentText(missing)
    desk.until(lambda: len(notification_manager.records) > told)
    desk.settle()
    assert desk.widget.session is session
    np.testing.assert_array_equal(desk.labels, before)
    desk.click_shown(40, 10)
    assert len(session.prompts[0].points) == 2
    assert desk.track()


def test_the_same_model_again_changes_nothing(desk: Desk) -> None:
    session = clicked(desk)
    # The field loses the focus, or another model was looked at and left.
    desk.widget.panel.model_box.checkpoint.editingFinished.emit()
    desk.settle()
    desk.find("model").setCurrentIndex(desk.find("model").findData(NAME))
    desk.settle()
    desk.find("model").setCurrentIndex(desk.find("model").count() - 1)
    desk.until(lambda: desk.find("model_status").text().startswith("Ready: small"))
    desk.settle()
    assert desk.widget.session is session
    assert desk.widget.controller.results.stale_frames() == []


def test_only_a_model_that_was_loaded_is_started_with(
    open_desk: Callable[..., Desk], frames: np.ndarray, npe2pm: TestPluginManager
) -> None:
    with npe2pm.tmp_plugin(package="napari-sam2"):
        settings = get_plugin_settings("napari-sam2")
        desk = open_desk(frames)
        desk.until(lambda: desk.widget.session is not None)
        desk.find("model").setCurrentIndex(desk.find("model").findData(NAME))
        desk.settle()
        assert settings.model.name == "sam2_nano"
        desk.find("model").setCurrentIndex(desk.find("model").findData("sam2_nano"))
        desk.find("preset").setCurrentIndex(desk.find("preset").findData("exact"))
        desk.until(lambda: settings.model.preset == "exact")
        # Settings of another machine, or a file that has gone since.
        settings.model.name = NAME
        desk.viewer.window.remove_dock_widget(desk.widget)
        again = Sam2Widget(desk.viewer)
        desk.viewer.window.add_dock_widget(again, name="again")
        assert again.panel.model_box.model.currentData() == "sam2_nano"
        desk.until(lambda: again.session is not None)
        again.controller.close()


def test_zoom_is_the_sessions_and_starts_it_over(desk: Desk) -> None:
    assert desk.widget.session.zoom == "auto"
    desk.press("new_object")
    desk.click_shown(20, 30)
    desk.track()
    before = desk.labels.copy()
    first = desk.widget.session
    desk.find("zoom").setCurrentText("2 times larger")
    desk.until(lambda: desk.widget.session not in (None, first))
    desk.settle()
    assert desk.widget.session.zoom == 2.0
    assert len(desk.widget.session.prompts) == 1
    # What there was stays, as stale.
    np.testing.assert_array_equal(desk.labels[1:], before[1:])
    assert desk.find("update").text() == "Update 11 frames"
    assert desk.track("update")
    assert desk.widget.controller.results.stale_frames() == []
    desk.find("zoom").setCurrentText("off")
    desk.until(lambda: desk.widget.session is not None and desk.widget.session.zoom == "off")
