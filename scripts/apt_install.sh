#!/usr/bin/env bash
# Installs system packages where apt-get is there and may be used without asking; else says which to install.
# usage: scripts/apt_install.sh PACKAGE...
set -euo pipefail

sudo=()
if ! command -v apt-get >/dev/null; then
  echo "setup: missing system libraries; install your system's counterparts of these Debian packages: $*" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  sudo=(sudo -n)
  if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
    echo "setup: missing system packages; run: sudo apt-get install --no-install-recommends $*" >&2
    exit 1
  fi
fi

echo "setup: installing $*"
# A repository that does not answer must not stop the others: the install below says what is really missing.
"${sudo[@]}" apt-get update -qq </dev/null || true
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" </dev/null >/dev/null
