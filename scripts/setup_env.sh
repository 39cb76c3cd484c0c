#!/usr/bin/env bash
# Makes .venv with the package (editable) and its pinned dependencies; for docs and release, .venv-docs and .venv-release
# with nothing but the tools.
# usage: scripts/setup_env.sh demo|test|dev|docs|release     PYTHON=python3.12 picks another interpreter
set -euo pipefail
cd "$(dirname "$0")/.."

purpose=${1:?usage: scripts/setup_env.sh demo|test|dev|docs|release}
python=${PYTHON:-python3}
venv=.venv
extras=(--editable '.[all]')
case $purpose in
  demo) ;;
  docs | release) venv=.venv-$purpose extras=(--group "$purpose") ;;
  *) extras+=(--group "$purpose") ;;
esac

fail() { echo "setup: $*" >&2; exit 1; }

if [ ! -x "$venv/bin/pip" ]; then
  command -v "$python" >/dev/null || fail "no '$python' found; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
    || fail "$("$python" --version) is too old; napari-sam2 needs 3.11 or newer. Name another one: make PYTHON=python3.12"
  # Debian and Ubuntu split venv's own pip off into a package of its own.
  "$python" -c 'import ensurepip, venv' 2>/dev/null || scripts/apt_install.sh python3-venv
  "$python" -m venv --clear "$venv"
fi

echo "setup: installing into $venv, which takes a few minutes the first time"
# --group came with pip 25.1, --build-constraint with 25.3; Python 3.11 starts with an older pip.
"$venv/bin/python" -m pip install --quiet --upgrade 'pip>=25.3'
"$venv/bin/python" -m pip install --quiet --constraint constraints.txt --build-constraint constraints.txt "${extras[@]}"
