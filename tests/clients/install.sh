#!/bin/sh
# Install the programs that `make test-clients` asks, where they are missing. Debian or Ubuntu, as root.
set -eu

install() { # what, packages
    if ! command -v apt-get >/dev/null; then
        echo "$1 is not here, and there is no apt-get to install it ($2)" >&2
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "$1 is not here: run, as root, apt-get install --no-install-recommends $2" >&2
        exit 1
    fi
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $2
}

# DIALS and dxtbx 3.11 or later, for the interpreter of the system: some 260 packages.
if ! /usr/bin/python3 -c 'import dxtbx' 2>/dev/null; then
    install DIALS 'dials python3-dials python3-cctbx'
fi
# psana is built for an environment of its own, which the tests make; it needs Kerberos.
if ! command -v krb5-config >/dev/null; then
    install 'The library of Kerberos' libkrb5-dev
fi
