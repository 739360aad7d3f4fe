#!/usr/bin/env python3
"""What sidegate costs beside nginx and HAProxy, on this machine: CPU time for one operation, and memory at rest.

    compare.py PROGRAM [--rounds N] [--scale F]

All three run at once, each with one worker on the first processor; the load generators (h2load, openssl s_time) and
the app they stand before have the last one. Each scenario goes round them in turn, so that a slow minute hits all
alike, and of several rounds the cheapest counts, since noise only adds. CPU is what the scheduler has counted for the
processes of a proxy (schedstat), so it says nothing about speed and much about what is left for the app. Listens on
loopback only, and ends what it has started. Memory is what the processes of a proxy hold, with what they share divided
among those who share it (PSS); at rest means before the first client.
"""
import argparse
import contextlib
import functools
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time

NAME = "compare.test"
SIZES = {"1KiB": 1024, "64KiB": 64 * 1024, "10MiB": 10 * 1024**2, "1GiB": 1024**3}
IDLE = 500

# Handshakes and nothing else, with which of the options of openssl s_time.
HANDSHAKES = {
    "TLS 1.3 handshake, X25519": ["-new", "-tls1_3"],
    "TLS 1.2 handshake, ECDHE-ECDSA": ["-new", "-tls1_2"],
    "TLS 1.2 handshake, resumed": ["-reuse", "-tls1_2"],
}

# Requests, with which of h2load's options, how often in a round, and how often at least.
REQUESTS = {
    "connection and one request": (["--h1", "-c", "{count}"], "1KiB", 400, 64),
    "HTTP/1.1, 1 KiB, 1 connection": (["--h1", "-c", "1"], "1KiB", 4_000, 64),
    "HTTP/1.1, 1 KiB, 32 connections": (["--h1", "-c", "32"], "1KiB", 20_000, 64),
    "HTTP/1.1, 1 KiB, 256 connections": (["--h1", "-c", "256"], "1KiB", 20_000, 256),
    "HTTP/2, 1 KiB, 32 connections of 32 streams": (["-c", "32", "-m", "32"], "1KiB", 20_000, 1_024),
    "HTTP/1.1, 64 KiB, 32 connections": (["--h1", "-c", "32"], "64KiB", 4_000, 64),
    "HTTP/1.1, 10 MiB, 1 connection": (["--h1", "-c", "1"], "10MiB", 40, 2),
    "HTTP/1.1, 1 GiB, 1 connection": (["--h1", "-c", "1"], "1GiB", 1, 1),
}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("program")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--scale", type=float, default=1.0, help="of what is done in a round")
    options = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        compare(pathlib.Path(place), os.path.abspath(options.program), options.rounds, options.scale)


def compare(place, program, rounds, scale):
    for tool, package in [("nginx", "nginx-light"), ("haproxy", "haproxy"), ("h2load", "nghttp2-client")]:
        find(tool) or sys.exit(f"{tool} is missing: apt-get install --no-install-recommends {package}")
    first, last = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
    certificate(place)
    running = []
    try:
        app = port()
        running.append(start(last, backend(place / "app", app), app))
        proxies = {}
        for name, command in [("sidegate", sidegate(program)), ("nginx", nginx), ("HAProxy", haproxy)]:
            at = port()
            folder = place / name
            folder.mkdir()
            process = start(first, command(folder, at, app, place), at)
            running.append(process)
            proxies[name] = (process.pid, at)
        print("| CPU time for one operation, or memory | " + " | ".join(proxies) + " | sidegate to the best of the others |")
        print("|---|" + "---|" * (len(proxies) + 1))
        row("memory at rest", {name: memory(pid) for name, (pid, _) in proxies.items()}, "{:.1f} MB")
        row("memory of an idle connection", {name: idle(*proxy) for name, proxy in proxies.items()}, "{:.1f} KB")
        scenarios = {what: functools.partial(handshakes, last, how) for what, how in HANDSHAKES.items()}
        for what, (how, file, count, least) in REQUESTS.items():
            scenarios[what] = functools.partial(requests, last, how, file, max(least, int(count * scale)))
        for what, done_at in scenarios.items():
            costs = {name: [] for name in proxies}
            for _ in range(rounds):
                for name, (pid, at) in proxies.items():
                    before = spent(pid)
                    done = done_at(at)
                    costs[name].append((spent(pid) - before) / 1000 / done)
            row(what, {name: min(measured) for name, measured in costs.items()}, "{:.1f} µs")
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(10)


def row(what, figures, unit):
    ratio = figures["sidegate"] / min(other for name, other in figures.items() if name != "sidegate")
    cells = " | ".join(unit.format(figure) for figure in figures.values())
    print(f"| {what} | {cells} | {ratio:.2f} |", flush=True)


def memory(pid):
    """Megabytes of a proxy's processes."""
    rollups = [pathlib.Path(f"/proc/{process}/smaps_rollup").read_text() for process in tree(pid)]
    return sum(int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)[1]) for rollup in rollups) / 1024


def idle(pid, at):
    """Kilobytes for each of many connections that have had one answer and keep still."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    request = f"GET /1KiB HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode()

    def connection():
        client = trusting.wrap_socket(socket.create_connection(("127.0.0.1", at), 20), server_hostname=NAME)
        client.sendall(request)
        answer = b""
        while len(answer.partition(b"\r\n\r\n")[2]) < SIZES["1KiB"]:
            answer += client.recv(65536) or sys.exit(f"what listens on port {at} closes a connection without an answer")
        return client

    # Whatever is made for the first client is not counted.
    with contextlib.ExitStack() as held:
        held.enter_context(connection())
        before = memory(pid)
        for _ in range(IDLE):
            held.enter_context(connection())
        return (memory(pid) - before) * 1024 / IDLE


def handshakes(core, how, at):
    """How many there were in a second."""
    command = ["openssl", "s_time", "-connect", f"127.0.0.1:{at}", "-time", "1", *how]
    told = subprocess.run(pinned(core, command), capture_output=True, text=True, timeout=60)
    done = re.search(r"^(\d+) connections in \d+ real seconds", told.stdout, re.MULTILINE)
    if told.returncode or not done or done[1] == "0":
        sys.exit(f"no handshakes at port {at}:\n{told.stdout}{told.stderr}")
    return int(done[1])


def requests(core, how, file, count, at):
    """How many there were: all that were asked for, and each has to succeed."""
    url = f"https://{NAME}:{at}/{file}"
    how = [option.format(count=count) for option in how]
    command = [find("h2load"), "-t", "1", "-n", str(count), *how, f"--connect-to=127.0.0.1:{at}", url]
    told = subprocess.run(pinned(core, command), capture_output=True, text=True, timeout=120)
    if not re.search(rf"\b{count} succeeded, 0 failed", told.stdout) or f" {count} 2xx" not in told.stdout:
        sys.exit(f"not all of {count} requests for {url} were answered:\n{told.stdout}{told.stderr}")
    return count


def spent(pid):
    """Nanoseconds that a process, its threads and its children have run."""
    total = 0
    for process in tree(pid):
        for thread in pathlib.Path(f"/proc/{process}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return total


def tree(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [below for child in children for below in tree(int(child))]


def start(core, command, at):
    process = subprocess.Popen(pinned(core, command), stdout=subprocess.DEVNULL)
    until = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", at), 1).close()
            return process
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                sys.exit(f"{command[0]} does not listen on port {at}")
            time.sleep(0.02)


def sidegate(program):
    def command(folder, at, app, place):
        config = folder / "sidegate.toml"
        config.write_text(
            f'storage = "{folder}/storage"\nworkers = 1\n'
            f'[listen]\nhttp = "off"\nhttps = "127.0.0.1:{at}"\nhealth = "off"\n'
            '[log]\nlevel = "warn"\naccess = "off"\n'
            f'[[site]]\ndomains = ["{NAME}"]\nto = "http://127.0.0.1:{app}"\n'
            f'cert = "{place}/cert.pem"\nkey = "{place}/key.pem"\n'
        )
        return [program, "serve", "-c", str(config)]

    return command


def nginx(folder, at, app, place):
    return web_server(
        folder,
        f"upstream app {{ server 127.0.0.1:{app}; keepalive 512; keepalive_requests 100000000; }}\n"
        f"server {{ listen 127.0.0.1:{at} ssl http2 reuseport backlog=4096;\n"
        f"ssl_certificate {place}/cert.pem; ssl_certificate_key {place}/key.pem;\n"
        "ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:S:10m;\n"
        "location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection '';\n"
        "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;\n"
        "proxy_set_header X-Forwarded-Proto https; proxy_max_temp_file_size 0; } }\n",
    )


def backend(folder, at):
    folder.mkdir()
    for name, size in SIZES.items():
        with open(folder / name, "wb") as file:
            file.truncate(size)
    return web_server(
        folder,
        f"server {{ listen 127.0.0.1:{at} backlog=4096; root {folder}; open_file_cache max=10; sendfile on; }}\n",
    )


def web_server(folder, servers):
    config = folder / "nginx.conf"
    temporary = " ".join(f"{kind}_temp_path {folder}/t;" for kind in
                         ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
    config.write_text(
        # The folder is ours alone, so its workers have to be we.
        ("user root;" if os.geteuid() == 0 else "")
        + f"daemon off; pid {folder}/pid; error_log {folder}/error.log crit; worker_processes 1;\n"
        f"events {{ worker_connections 4096; }}\nhttp {{ access_log off; {temporary}\n"
        f"keepalive_timeout 600s; keepalive_requests 100000000;\n{servers}}}\n"
    )
    return [find("nginx"), "-e", f"{folder}/error.log", "-p", str(folder), "-c", str(config)]


def haproxy(folder, at, app, place):
    (folder / "both.pem").write_bytes((place / "cert.pem").read_bytes() + (place / "key.pem").read_bytes())
    config = folder / "haproxy.cfg"
    config.write_text(
        "global\n nbthread 1\n maxconn 4096\n tune.ssl.default-dh-param 2048\n"
        "defaults\n mode http\n timeout connect 5s\n timeout client 600s\n timeout server 600s\n"
        " option http-keep-alive\n http-reuse always\n option forwardfor\n"
        f"frontend f\n bind 127.0.0.1:{at} ssl crt {folder}/both.pem alpn h2,http/1.1\n"
        f" http-request set-header X-Forwarded-Proto https\n default_backend b\n"
        f"backend b\n server app 127.0.0.1:{app}\n"
    )
    return [find("haproxy"), "-db", "-f", str(config)]


def certificate(place):
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "30", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    command += ["-keyout", str(place / "key.pem"), "-out", str(place / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)


def find(tool):
    return shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def pinned(core, command):
    return ["taskset", "-c", str(core), *command]


def port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


if __name__ == "__main__":
    main()
