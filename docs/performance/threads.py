#!/usr/bin/env python3
"""What more writing threads are good for: how fast one room's publications reach all of its members, and what that costs.

    python3 docs/performance/threads.py [MEMBERS]

Needs a built program (SWITCHBOARD_BIN, else target/release/switchboard). The members wait for nothing, so that they take
no processor from the server while it writes: a few are looked at now and then, and in the end all are read and checked.
The settings take turns; the medians are shown.
"""

import array
import fcntl
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import termios
import time

THREADS = (1, 2)
ROUNDS = 7
MESSAGES = 40
TEXT = b'{"type":"chat","payload":"' + b"x" * 128 + b'"}'
CONFIG = """
listen = "127.0.0.1:0"
threads = {threads}
[limits]
max_connections = 0
max_per_room = 0
max_per_user = 0
messages_per_second = 0
[rooms.""]
presence = false
history_events = 0
[log]
level = "warn"
"""


def connect(port, number):
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.sendall(
        f"GET /ws/room?user=user-{number} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    got = b""
    while b'"type":"connected"' not in got:
        got += client.recv(4096)
    return client


def waiting(client):
    count = array.array("i", [0])
    fcntl.ioctl(client, termios.FIONREAD, count)
    return count[0]


def cpu(pid):
    """Seconds that all threads of the process have run, by the scheduler's clock."""
    tasks = f"/proc/{pid}/task"
    return sum(int(open(f"{tasks}/{task}/schedstat").read().split()[0]) for task in os.listdir(tasks)) / 1e9


def frame(message):
    return b"\x81\xfe" + len(message).to_bytes(2, "big") + b"\0\0\0\0" + message


def read(client, messages):
    """Reads so many publications, each of which must be there once."""
    got = b""
    while got.count(b"x" * 128) < messages:
        piece = client.recv(65536)
        if not piece:
            raise SystemExit("the server ended a connection")
        got += piece
    if got.count(b"x" * 128) != messages:
        raise SystemExit("a member got more than was said")
    return len(got)


class Server:
    def __init__(self, threads, members):
        program = os.environ.get("SWITCHBOARD_BIN", "target/release/switchboard")
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
            config.write(CONFIG.format(threads=threads))
            config.flush()
            self.process = subprocess.Popen([program, "--config", config.name], stdout=subprocess.PIPE, text=True)
            port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", self.process.stdout.readline())[1])
        self.members = [connect(port, number) for number in range(members)]
        self.members[0].sendall(frame(TEXT))
        self.bytes = [read(member, 1) for member in self.members][0]

    def round(self):
        """How long all publications took to be with all members, and the server's processor time."""
        some = self.members[:: max(1, len(self.members) // 50)] + self.members[-1:]
        began, used = time.perf_counter(), cpu(self.process.pid)
        for message in range(1, MESSAGES + 1):
            self.members[0].sendall(frame(TEXT))
            while min(map(waiting, some)) < message * self.bytes:
                time.sleep(0.0002)
        took = time.perf_counter() - began
        for member in self.members:
            read(member, MESSAGES)
        # What is done by then is what was to be done.
        return took, cpu(self.process.pid) - used

    def end(self):
        self.process.terminate()
        self.process.wait(timeout=60)


def main():
    members = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    servers = {threads: Server(threads, members) for threads in THREADS}
    rounds = {threads: [] for threads in THREADS}
    try:
        for _ in range(ROUNDS):
            for threads, server in servers.items():
                rounds[threads].append(server.round())
    finally:
        for server in servers.values():
            server.end()
    deliveries = members * MESSAGES
    print(f"{MESSAGES} publications to {members} members, medians of {ROUNDS} rounds")
    for threads, found in rounds.items():
        took, used = (statistics.median(figure) for figure in zip(*found))
        print(
            f"{threads} threads: {deliveries / took:,.0f} deliveries a second, "
            f"{used / deliveries * 1e6:.2f} us of processor time each, {used / took:.2f} processors"
        )


if __name__ == "__main__":
    main()
