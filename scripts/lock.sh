#!/usr/bin/env bash
# Makes requirements/*.txt anew: every version pinned, every file of it by hash.
#
# The oldest supported Python resolves them, since it needs the most packages; what it finds must
# install on all the others.  The user's own pip configuration is left out, so that no local mirror
# or path gets into the files.
set -euo pipefail
cd "$(dirname "$0")/.."

export PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND="make lock"
unset PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_TRUSTED_HOST

compile() {
    .venv/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --upgrade \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
        --output-file "requirements/$1.txt" "${@:2}" pyproject.toml
}

compile build --only-build-deps --build-deps-for editable
compile runtime --constraint requirements/build.txt
compile dev --extra dev --constraint requirements/build.txt --constraint requirements/runtime.txt
compile fuzz --extra fuzz --constraint requirements/build.txt --constraint requirements/dev.txt
