# shellcheck shell=bash
# Functions shared by the scripts here, .ci/run and .ci/long. Sourced, not run.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
logs=$target/ci
clients=server/tests/clients
mkdir -p "$logs"

# Never more than two compilers at once, whatever the machine.
export CARGO_BUILD_JOBS=${CARGO_BUILD_JOBS:-2} CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}

current='the start'
started=$SECONDS

# Reports the step that failed, however the script ends. Prints nothing on success.
ended() {
    local status=$?
    # Status 77 means that a step cannot run on this machine.
    if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
        printf '\nFAILED (status %s): %s, after %s s\n' \
            "$status" "$current" "$((SECONDS - started))"
    fi
    exit "$status"
}
trap ended EXIT

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Prints the header of a step, with the time since the start.
header() {
    current=$1
    started=$SECONDS
    printf '\n=== %s (at %s s)\n' "$1" "$SECONDS"
}

# step NAME COMMAND...: runs the command under a header and prints how long it took.
step() {
    local name=$1
    shift
    header "$name"
    "$@"
    printf -- '--- %s: %s s\n' "$name" "$((SECONDS - started))"
}

# ------------------------------------------------------------------ tools

# need COMMAND PACKAGE...: remembers the Debian packages for a command that is missing.
missing=()
need() {
    command -v "$1" >/dev/null || missing+=("${@:2}")
}

# Installs what `need` found missing, and nothing else: a developer's tools stay as they are.
install_missing() {
    [ "${#missing[@]}" -gt 0 ] || return 0
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            fail "missing: ${missing[*]}; install them, or run this as root"
        as_root=(sudo)
    fi
    echo "installing ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"
    missing=()
}

# Creates a virtual environment at $1 with the requirements in $2.
python_environment() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
    install_missing
    [ -x "$1/bin/python" ] || python3 -m venv "$1"
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$2"
}

build_program() {
    cargo build --locked --release --package switchboard
    export SWITCHBOARD_BIN=$target/release/switchboard
    [ -x "$SWITCHBOARD_BIN" ] || fail "the build left no $SWITCHBOARD_BIN"
}
