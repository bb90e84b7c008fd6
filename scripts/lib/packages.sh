# Sourced: which packages of a table (scripts/debian-packages) this machine lacks.

packages_in() { sed -e 's/#.*//' "$@" | awk 'NF { print $1 }' | sort; }

installed_packages() {
    # dpkg-query complains of each name that it has never heard of; those are missing all the same.
    packages_in "$@" | { xargs dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null || true; } |
        awk '$2 == "installed" { print $1 }' | sort
}

missing_packages() {
    comm -23 <(packages_in "$@") <(installed_packages "$@") | xargs
}
