#!/bin/sh
# Installs what the tests need beside a Rust toolchain, on Debian or Ubuntu: a C compiler, Pebble (the ACME
# test CA), nginx, BIND, HAProxy, h2load, openssl, curl and valgrind from the distribution, a few Python packages in a
# virtual environment of their own (target/test-env), and beside the system a newer Pebble, which knows ARI
# (target/pebble).
#
# May be run again at any time; it looks before it installs, and when all is there it changes nothing and
# touches no network.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
venv="$root/target/test-env"
pebble="$root/target/pebble"
pebble_version="2.10.0+ds1-2"
pebble_sha256="b9a3a3920143f1a6fc568dfa88247be22cafa96c845fe62938c08982a15df315"
pins="websockets==16.1 grpcio==1.80.0 httptools==0.9.0 h11==0.16.0"

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# /usr/sbin is not on everybody's PATH, and Debian's nginx lies there.
have() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

missing=""
want() { # want COMMAND PACKAGE
    have "$1" || missing="$missing $2"
}
want cc build-essential
want pebble pebble
want pebble-challtestsrv pebble
want nginx nginx-light
want openssl openssl
want named bind9
want nsupdate bind9-dnsutils
want curl curl
want haproxy haproxy
want h2load nghttp2-client
want valgrind valgrind
want strace strace
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3 || true)
if [ -z "$python" ] || ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    missing="$missing python3 python3-venv"
fi

if [ -n "$missing" ]; then
    missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')
    have apt-get || fail "these are needed and this is no Debian, please install them: $missing"
    if [ "$(id -u)" -eq 0 ]; then
        as_root=""
    elif have sudo && sudo -n true 2>/dev/null; then
        as_root="sudo"
    else
        fail "these are missing; as root, please run: apt-get install --no-install-recommends $missing"
    fi
    say "installing $missing"
    $as_root apt-get update -q
    # shellcheck disable=SC2086  # words, not one word
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
    # Debian starts an nginx on port 80 as soon as it is installed, and others alike; the tests only need the programs.
    if [ -d /run/systemd/system ]; then
        case " $missing " in *" nginx-light "*) $as_root systemctl disable --now nginx || true ;; esac
        case " $missing " in *" bind9 "*) $as_root systemctl disable --now named || true ;; esac
        case " $missing " in *" haproxy "*) $as_root systemctl disable --now haproxy || true ;; esac
    fi
    python=/usr/bin/python3
fi

# The mark is written last, so an installation that was interrupted is done again.
if [ "$(cat "$venv/.pins" 2>/dev/null || true)" != "$pins" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    say "making $venv with $pins"
    rm -rf "$venv"
    mkdir -p "$root/target"
    "$python" -m venv "$venv"
    # shellcheck disable=SC2086
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: $pins \
        || fail "pip could not install $pins (is there a network?)"
    printf '%s\n' "$pins" >"$venv/.pins"
fi
# The package of Debian's unstable suite, unpacked and not installed: it runs on the stable ones as well. apt checks the archive's signature as always; the sum says that it is the package we know.
fetch_pebble() {
    have apt-get && [ "$(dpkg --print-architecture)" = amd64 ] \
        || fail "put a Pebble of 2.10 or later at $pebble/usr/bin/pebble, and an empty $pebble/.own"
    work=$(mktemp -d)
    mkdir -p "$work/lists/partial"
    mirror=$(apt-cache policy | sed -n 's|^ *[0-9]* \(https\{0,1\}://[^ ]*/debian\) .*|\1|p' | head -n 1)
    cat >"$work/unstable.sources" <<SOURCES
Types: deb
URIs: ${mirror:-http://deb.debian.org/debian}
Suites: unstable
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
    set -- -q -o "Dir::Etc::sourcelist=$work/unstable.sources" -o Dir::Etc::sourceparts=- \
        -o "Dir::State::lists=$work/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
        -o Acquire::Languages=none -o APT::Sandbox::User=root
    apt-get "$@" update || fail "Debian's unstable suite cannot be reached"
    (cd "$work" && apt-get "$@" download "pebble=$pebble_version") \
        || fail "Debian's unstable suite no longer has pebble $pebble_version: give $0 the version it has and its sum"
    deb=$(find "$work" -name 'pebble_*.deb')
    [ "$(sha256sum "$deb" | cut -d ' ' -f 1)" = "$pebble_sha256" ] || fail "pebble $pebble_version has another sum"
    rm -rf "$pebble"
    dpkg-deb -x "$deb" "$pebble"
    rm -rf "$work"
    printf '%s\n' "$pebble_sha256" >"$pebble/.sha256"
}
if [ "$(cat "$pebble/.sha256" 2>/dev/null || true)" != "$pebble_sha256" ] && [ ! -e "$pebble/.own" ]; then
    say "fetching pebble $pebble_version"
    fetch_pebble
fi
say "all there"
