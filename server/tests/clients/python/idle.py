"""Holds many idle connections on a server and reports what each costs it in memory.

    python3 server/tests/clients/python/idle.py [COUNT]

Needs nothing but Python and a built program (SWITCHBOARD_BIN, else target/release/switchboard). Linux only: it reads the
server's private memory from /proc. Every connection is in a room of ten, and still answers when all are there. Then somebody
in each room says a lot at once to people who do not read yet, so that some of it has to wait in the server. When all have
read it, the connections are to be as small as before. It fails when one costs more than 2 KB, or half
as much again after the burst.
"""

import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOM_SIZE = 10
MOST_BYTES = 2048
BURST = 16
BURST_BYTES = 4096
# A little more stays, between allocations in use; the burst itself needed a hundred times as much.
HOPED_AFTER_BURST, MOST_AFTER_BURST = 1.1, 1.5
CONFIG = f"""
listen = "127.0.0.1:0"
[limits]
max_connections = 0
max_per_room = {ROOM_SIZE}
max_per_user = 0
[rooms.""]
presence = false
# History belongs to the room, and is not the cost of a connection.
history_events = 0
[log]
level = "warn"
"""
MASK = b"\0\0\0\0"


def private_bytes(pid):
    """Returns the bytes of the process's private memory, which would be freed if it ended."""
    smaps = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = re.findall(r"^Private_(?:Clean|Dirty): +(\d+) kB", smaps, re.MULTILINE)
    return sum(map(int, kilobytes)) * 1024


def connect(port, number):
    client = socket.socket()
    client.settimeout(10)
    # Too small for the burst.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(
        f"GET /ws/room-{number // ROOM_SIZE}?user=user-{number} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    wait_for(client, b'"type":"connected"')
    return client


def wait_for(client, text):
    got = b""
    while text not in got:
        piece = client.recv(4096)
        if not piece:
            raise SystemExit(f"the server closed a connection: {got!r}")
        got += piece


def say(client, message):
    length = len(message).to_bytes(2, "big")
    header = bytes([0x81, 0x80 | len(message)]) if len(message) < 126 else b"\x81\xfe" + length
    client.sendall(header + MASK + message)


def read_burst(client):
    wanted = BURST * BURST_BYTES
    while wanted > 0:
        piece = client.recv(65536)
        if not piece:
            raise SystemExit("the server ended a connection during the burst")
        wanted -= piece.count(b"x")


def burst(clients):
    """In each room, one client sends a lot before any other reads."""
    for publisher in clients[::ROOM_SIZE]:
        for _ in range(BURST):
            say(publisher, b'{"type":"chat","payload":"' + b"x" * BURST_BYTES + b'"}')
    for client in clients:
        read_burst(client)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 15_000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    program = os.environ.get("SWITCHBOARD_BIN", "target/release/switchboard")
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(CONFIG)
        config.flush()
        server = subprocess.Popen([program, "--config", config.name], stdout=subprocess.PIPE, text=True)
        try:
            port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", server.stdout.readline())[1])
            # Ignores the first connections: thread-local buffers and tables are allocated once.
            clients = [connect(port, number) for number in range(100)]
            before = private_bytes(server.pid)
            clients += [connect(port, number) for number in range(100, count)]
            each = (private_bytes(server.pid) - before) / (count - 100)
            for client in clients:
                say(client, b'{"type":"health_ping","timestamp":1}')
            for client in clients:
                wait_for(client, b'"type":"health_pong"')
            answered = (private_bytes(server.pid) - before) / (count - 100)
            burst(clients)
            for client in clients:
                say(client, b'{"type":"health_ping","timestamp":2}')
            for client in clients:
                wait_for(client, b'"timestamp":2')
            # The server returns memory once it has noticed the end of the burst.
            deadline = time.monotonic() + 30
            after = (private_bytes(server.pid) - before) / (count - 100)
            while after > answered * HOPED_AFTER_BURST and time.monotonic() < deadline:
                time.sleep(0.1)
                after = (private_bytes(server.pid) - before) / (count - 100)
            print(
                f"{count} connections, all answering: {each:.0f} bytes each, {answered:.0f} after one message each, "
                f"{after:.0f} after a burst of {BURST * BURST_BYTES >> 10} KiB to each"
            )
            if max(each, answered, after) > MOST_BYTES or after > answered * MOST_AFTER_BURST:
                raise SystemExit("that is too much")
        finally:
            server.terminate()
            server.wait(timeout=60)


if __name__ == "__main__":
    main()
