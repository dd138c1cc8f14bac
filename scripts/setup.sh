#!/usr/bin/env bash
# Makes .venv from the lock files:  scripts/setup.sh [runtime|dev|fuzz]
#
# Needs Python 3.11 or newer.  On Debian and Ubuntu the venv module is a package of its own; it is
# installed when it is missing and that is allowed (root or password-less sudo).
# PYTHON=/path/to/python chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

kind="${1:-runtime}"
case "$kind" in
    runtime | dev | fuzz) ;;
    *) echo "usage: scripts/setup.sh [runtime|dev|fuzz]" >&2; exit 2 ;;
esac

fits() { # a shim of a version manager may exist without a Python behind it: run it to find out
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14; do
        if fits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    echo "Python 3.11 or newer is needed and none was found (PYTHON=... names one)" >&2
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

bring_venv_module() { # $1: the interpreter
    local package
    package="$("$1" -c 'import sys; print("python{}.{}-venv".format(*sys.version_info))')"
    echo "installing $package ..." >&2
    if ! command -v apt-get >/dev/null \
        || ! as_root apt-get update -q >/dev/null \
        || ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$package" >/dev/null; then
        echo "$1 cannot make virtual environments; install $package and try again" >&2
        return 1
    fi
}

if ! { [ -x .venv/bin/pip ] && fits .venv/bin/python; }; then
    python="$(find_python)"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || bring_venv_module "$python"
    "$python" -m venv --clear .venv
fi

# Everything comes by hash, the build backend included; the project itself is a link to src/.
install=(.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input)
"${install[@]}" --require-hashes -r requirements/build.txt -r "requirements/$kind.txt"
"${install[@]}" --no-deps --no-build-isolation --editable .
# What the next step runs is checked here, where a failure is still about the installation.
.venv/bin/l2tp-doctor --version
