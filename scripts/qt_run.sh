#!/usr/bin/env bash
# Runs a command that may open Qt windows: sees to the system libraries, and with --virtual-display gives it an X server
# where there is no screen.
# usage: scripts/qt_run.sh [--virtual-display] COMMAND...
set -euo pipefail
cd "$(dirname "$0")/.."

virtual=no
if [ "$1" = --virtual-display ]; then virtual=yes; shift; fi

# Other systems bring all that Qt needs.
[ "$(uname)" = Linux ] || exec "$@"

screen=${DISPLAY:-}${WAYLAND_DISPLAY:-}
[ -n "$screen" ] || [ "$virtual" = yes ] || exec "$@"

# Qt names libxcb-cursor0 whichever library is missing; ldd names the right one.
missing_libraries() {
  ldd .venv/lib/python3*/site-packages/PyQt6/Qt6/plugins/{platforms/libqxcb,xcbglintegrations/libqxcb-glx-integration}.so \
    | grep 'not found' || true
}

packages=()
[ -z "$(missing_libraries)" ] || packages+=(
  libdbus-1-3 libegl1 libfontconfig1 libgl1 libglib2.0-0 libx11-xcb1 libxcb-cursor0 libxcb-icccm4 libxcb-image0
  libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-sync1 libxcb-xfixes0 libxcb-xkb1
  libxkbcommon-x11-0
)
[ -n "$screen" ] || { command -v xvfb-run && command -v xauth; } >/dev/null || packages+=(xvfb xauth)
[ ${#packages[@]} -eq 0 ] || scripts/apt_install.sh "${packages[@]}"

[ -z "$screen" ] || exec "$@"
QT_QPA_PLATFORM=xcb exec xvfb-run --auto-servernum --server-args='-screen 0 1600x1200x24' "$@"
