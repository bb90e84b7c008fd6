# Sourced by the scripts beside it: the cache's place, root, and failures that are one sentence.

root_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${ACD_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/acd}
python=${PYTHON:-python3}

# The prefix lets a step's runner find the sentence at the end of a long log.
say() { printf 'acd: %s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 1
}

# The interpreter itself: not a shim on PATH, not an environment's link to it.
interpreter_of() {
    "$1" -c 'import sys; print("%s/bin/python%d.%d" % (sys.base_prefix, *sys.version_info[:2]))' 2>/dev/null
}

is_root() { [ "$(id -u)" = 0 ]; }

# Starts the calling script anew as root; $1 says what a person without sudo can do instead.
become_root() {
    local remedy=$1
    shift
    is_root && return
    command -v sudo >/dev/null || fail "This needs root and there is no sudo: $remedy"
    exec sudo --preserve-env=http_proxy,https_proxy,no_proxy \
        env ACD_CACHE_DIR="$cache" ACD_REFRESH="${ACD_REFRESH:-}" "$0" "$@"
}

# Asks for a password while the terminal is ours: the steps run in the background.
authorise_sudo() {
    is_root || ! command -v sudo >/dev/null || sudo -v ||
        fail "sudo was refused: run make setup as root, or as a user who may use sudo."
}

# Prints those of the given paths that exist, the last changed first.
newest_first() {
    { find "$@" -maxdepth 0 -printf '%T@ %p\n' 2>/dev/null || true; } | sort -rn | sed -e 's/^[^ ]* //' -e 's,/$,,'
}

# One at a time: two clones share the cache.
lock_cache() {
    mkdir -p "$cache" || fail "The cache folder $cache can't be made: set ACD_CACHE_DIR to one that can."
    exec 9>"$cache/$1.lock"
    flock 9
}
