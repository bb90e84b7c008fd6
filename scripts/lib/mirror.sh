# Sourced: the machine's own Debian mirror and keyring, read from its apt configuration.

_index_targets() {
    apt-get indextargets "$@" --format '$(REPO_URI) $(SOURCESENTRY)' 2>/dev/null | grep -E '^(https?|file|ftp):'
}

# Prints "URI SOURCES-FILE:LINE" of the first entry for Debian's main archive. Before the first
# `apt-get update` apt knows no origin yet; then any entry but a security one will do.
_debian_entry() {
    _index_targets 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' ||
        _index_targets --no-release-info 'Created-By: Packages' | grep -v security
}

debian_mirror() {
    local entry
    if [ -n "${ACD_DEBIAN_MIRROR:-}" ]; then
        echo "$ACD_DEBIAN_MIRROR"
        return
    fi
    entry=$(_debian_entry | head -n 1)
    [ -n "$entry" ] ||
        fail "apt's sources name no Debian mirror: set ACD_DEBIAN_MIRROR to the address of one."
    echo "${entry%% *}"
}

# The keyring that the same entry is signed by; Debian's own where it names none (or an inline key).
debian_keyring() {
    local entry sources keyring
    entry=$(_debian_entry | head -n 1)
    sources=${entry#* }
    keyring=$(grep -ihoE '(signed-by *[:=] *)/[^] ,]+' "${sources%:*}" 2>/dev/null | head -n 1 | grep -oE '/.*')
    for keyring in "$keyring" /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
        [ -r "$keyring" ] && echo "$keyring" && return
    done
    fail "Debian's archive keyring is missing: apt-get install debian-archive-keyring."
}

# Makes a folder ($1) for unstable_apt. Needs no root and leaves the system's apt as it is.
prepare_unstable_apt() {
    local folder=$1 mirror keyring
    mirror=$(debian_mirror) && keyring=$(debian_keyring) || return
    mkdir -p "$folder/lists/partial" "$folder/archives/partial" &&
        printf 'deb-src [signed-by=%s] %s sid main\n' "$keyring" "$mirror" >"$folder/sources.list"
}

# Runs apt-get for unstable with lists and cache of its own ($1), while the system's proxy and
# certificate settings stay in force.
unstable_apt() {
    local folder=$1
    shift
    apt-get -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder" \
        -o APT::Update::Post-Invoke-Success::= -o Acquire::Retries=2 -o APT::Sandbox::User= "$@"
}
