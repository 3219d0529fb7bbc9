"""Starts a real `switchboard` for a test, on a free port, and always stops it."""

import asyncio
import json
import os
import re
import tempfile
import unittest
from pathlib import Path

from websockets.asyncio.client import connect

# Seconds. Long enough for a busy machine; nothing should come near it.
PATIENCE = 10


class Server:
    def __init__(self, config: str):
        self._folder = tempfile.TemporaryDirectory(prefix="switchboard-test-")
        self.config = Path(self._folder.name, "switchboard.toml")
        self.config.write_text(config, encoding="utf-8")
        self.log = b""

    async def start(self):
        self._process = await self._run(["--listen", "127.0.0.1:0"])
        self._reading = asyncio.create_task(self._read_log())
        self.port = await asyncio.wait_for(self._address(), PATIENCE)
        # So that the program never blocks on a full pipe.
        self._draining = asyncio.create_task(self._process.stdout.read())

    async def _run(self, arguments):
        program = os.environ.get("SWITCHBOARD_BIN")
        if not program:
            raise RuntimeError("SWITCHBOARD_BIN must name the program under test")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHBOARD")}
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            program, *arguments, "--config", str(self.config), stdout=pipe, stderr=pipe, env=kept
        )

    async def _address(self):
        while line := await self._process.stdout.readline():
            if found := re.search(rb"http://127\.0\.0\.1:(\d+)/", line):
                return int(found[1])
        await self._reading
        raise RuntimeError(f"the server ended at once: {self.log.decode(errors='replace')}")

    async def _read_log(self):
        while line := await self._process.stderr.readline():
            self.log += line

    async def command(self, *arguments):
        """Runs another command of the program; returns its output."""
        process = await self._run(arguments)
        out, problem = await asyncio.wait_for(process.communicate(), PATIENCE)
        if process.returncode != 0:
            raise RuntimeError(problem.decode(errors="replace"))
        return out.decode().strip()

    async def stop(self):
        """Sends SIGTERM; the program must exit cleanly."""
        process = getattr(self, "_process", None)
        try:
            if process is not None:
                if process.returncode is None:
                    process.terminate()
                code = await asyncio.wait_for(process.wait(), PATIENCE)
                await self._reading
                assert code == 0, f"exit code {code}: {self.log.decode(errors='replace')}"
                assert b"panicked at" not in self.log, self.log.decode(errors="replace")
        finally:
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()
            self._folder.cleanup()

    def dial(self, path, **options):
        """Calls the package's own `connect`: await it, or use it with `async with`."""
        options = {"compression": None, "proxy": None, "open_timeout": PATIENCE, "close_timeout": PATIENCE} | options
        return connect(f"ws://127.0.0.1:{self.port}{path}", **options)


async def receive(socket, match, deadline=PATIENCE):
    """Returns the next message for which `match` holds; others before it are dropped."""
    seen = []

    async def search():
        while True:
            frame = await socket.recv()
            message = frame if isinstance(frame, bytes) else json.loads(frame)
            if match(message):
                return message
            seen.append(message)

    try:
        return await asyncio.wait_for(search(), deadline)
    except TimeoutError:
        raise AssertionError(f"no such message within {deadline} s, but {seen[-5:]}") from None


def of_type(name):
    return lambda message: isinstance(message, dict) and message["type"] == name


async def send(socket, **message):
    await socket.send(json.dumps(message))


class ServerTest(unittest.IsolatedAsyncioTestCase):
    """Gives each test a server with the class's configuration, and closes its clients with it."""

    config = ""

    async def asyncSetUp(self):
        self.server = Server(self.config)
        self.addAsyncCleanup(self.server.stop)
        await self.server.start()

    async def enter(self, path, **options):
        """Returns a client that was accepted, and the server's `connected`."""
        socket = await self.server.dial(path, **options)
        self.addAsyncCleanup(socket.close)
        hello = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))
        self.assertEqual(hello["type"], "connected", "it comes first")
        return socket, hello
