#!/usr/bin/env python3
"""Writes down which functions sidegate runs from its start to its first answers, as a linker script.

    first_use.py PROGRAM BEFORE > first-use.ld

PROGRAM is a release build that has kept its symbols, and BEFORE the script there is. It runs under valgrind, answers one request over HTTP/1.1 and one
over HTTP/2, and stops. What it has called goes, in the script, to a section in front of all other code. Listens on
loopback only, and ends what it has started.

Names are written without the hash that the compiler puts at their end, so that the list outlives changes elsewhere. So
one name may stand for many functions, one for each type it was compiled for: where most of them did not run, it is
left out, since what it would bring along is more than what it saves. A name that is gone is no error, and stays in the
script: a function that this build has put into its callers may stand by itself in the next. One that is missing costs up
to 64 KiB.
"""
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

NAME = "first.test"

# So many bytes the kernel maps around one that is needed.
AROUND = 64 * 1024

def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as place:
        ran = functions(program, pathlib.Path(place))
    own = symbols(program)
    names = worthwhile(own, ran)
    if len(names) < 500:
        sys.exit(f"{program} names {len(names)} of the functions that it ran: was it stripped?")
    there = {without_hash(function) for function in own}
    names += sorted(written(sys.argv[2]) - there - set(names))
    print("/* The functions that run from the start to the first answers. `make first-use` writes this file. */")
    print("SECTIONS\n{\n  .text.first_use :\n  {")
    for name in names:
        # The compiler may put before the name what it thinks of how often it runs: `.text.unlikely.`
        print(f"    *(.text.*{name})")
    print("  }\n}\nINSERT BEFORE .text;")


def functions(program, place):
    """The names of all functions that were called."""
    at, app = port(), port()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "7",
         "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
         "-keyout", place / "key.pem", "-out", place / "cert.pem"],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    config = place / "sidegate.toml"
    config.write_text(
        f'storage = "{place}/storage"\nworkers = 1\n'
        f'[listen]\nhttp = "off"\nhttps = "127.0.0.1:{at}"\nhealth = "off"\n'
        f'[[site]]\ndomains = ["{NAME}"]\nto = "http://127.0.0.1:{app}"\n'
        f'cert = "{place}/cert.pem"\nkey = "{place}/key.pem"\n'
    )
    trace = place / "callgrind.out"
    (place / "index.html").write_text("first")
    backend = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(app), "--bind", "127.0.0.1", "--directory", str(place)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    process = subprocess.Popen(
        ["valgrind", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={trace}",
         program, "serve", "-c", str(config)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for listening in (app, at):
            wait_for(listening)
        for version in ("--http1.1", "--http2"):
            subprocess.run(
                ["curl", "--silent", "--show-error", "--fail", "--insecure", version, "--output", os.devnull,
                 "--resolve", f"{NAME}:{at}:127.0.0.1", f"https://{NAME}:{at}/"],
                check=True, timeout=60,
            )  # fmt: skip
    finally:
        for running in (process, backend):
            running.terminate()
            running.wait(60)
    called = re.finditer(r"^c?fn=\(\d+\) (\S+)", trace.read_text(), re.MULTILINE)
    # A function that called itself stands there again, with how deep.
    return {re.sub(r"'\d+$", "", match[1]) for match in called}


def symbols(program):
    """The functions of the program itself, and how many bytes each of them has."""
    told = subprocess.run(["nm", "--print-size", program], check=True, capture_output=True, text=True).stdout
    lines = re.finditer(r"^\w+ (\w+) [tTwW] (\S+)$", told, re.MULTILINE)
    return {line[2]: int(line[1], 16) for line in lines}


def worthwhile(own, ran):
    """The names to write, those with the least that did not run first, so that what did lies close together."""
    named = {}
    for function, size in own.items():
        group = named.setdefault(without_hash(function), Group())
        group.size += size
        if function in ran:
            group.ran += 1
            group.size_ran += size
    good = {name: group for name, group in named.items() if group.ran and group.idle() <= group.ran * AROUND / 2}
    return sorted(good, key=lambda name: (good[name].idle() / good[name].size_ran, name))


def written(script):
    """The names in a script."""
    lines = re.finditer(r"^    \*\(\.text\.\*(\S+)\)$", pathlib.Path(script).read_text(), re.MULTILINE)
    return {without_hash(line[1]) for line in lines}


class Group:
    """The functions that have a name in common: how many ran, and their bytes."""

    def __init__(self):
        self.size = self.size_ran = self.ran = 0

    def idle(self):
        return self.size - self.size_ran


def without_hash(name):
    """The name with a `*` for its hash, and for the number of a function that has its name from several units."""
    return re.sub(r"\.\d+$", ".*", re.sub(r"17h[0-9a-f]{16}E$", "17h*", name))


def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(at):
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", at), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                sys.exit(f"nobody listens on port {at}")
            time.sleep(0.05)


if __name__ == "__main__":
    main()
