"""Switchboard as the `websockets` package from PyPI sees it."""

import asyncio
import json
import struct
import unittest
from contextlib import suppress

from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from switchboard_server import PATIENCE, ServerTest, of_type, receive, send

HEADER = struct.Struct("!BBBBBBH")
STAMP = struct.Struct("!8sQQ")


def publish(room=b"", kind=0, type=b"", id=b"", payload=b""):
    return HEADER.pack(1, kind, len(room), len(type), len(id), 0, 0) + room + type + id + payload


def published(frame):
    version, kind, *lengths, zero = HEADER.unpack_from(frame)
    assert (version, zero) == (1, 0), frame[:8]
    epoch, offset, _ = STAMP.unpack_from(frame, HEADER.size)
    rest = frame[HEADER.size + STAMP.size:]
    names = []
    for length in lengths:
        names.append(rest[:length].decode())
        rest = rest[length:]
    return kind, *names, epoch.hex(), offset, rest


class Rooms(ServerTest):
    config = """
[limits]
messages_per_second = 0
outbox_bytes = 16777216
outbox_messages = 65536
[rooms.""]
presence_grace = "50ms"
"""

    async def test_join_and_leave_by_message_and_by_url(self):
        alice, hello = await self.enter("/ws?user=alice")
        self.assertEqual((hello["user"], hello["rooms"]), ("alice", []))
        bob, hello = await self.enter("/ws/lobby?user=bob")
        self.assertEqual([room["room"] for room in hello["rooms"]], ["lobby"])

        await send(alice, type="join", id="1", room="lobby")
        joined = await receive(alice, of_type("joined"))
        self.assertEqual((joined["id"], joined["room"], joined["members"]), ("1", "lobby", 2))
        notice = await receive(bob, of_type("member_joined"))
        self.assertEqual(notice["user"], "alice")

        await send(bob, type="members", id="2", room="lobby")
        members = await receive(bob, of_type("members"))
        self.assertEqual((sorted(members["members"]), members["total"]), (["alice", "bob"], 2))

        await send(alice, type="leave", id="3", room="lobby")
        left = await receive(alice, of_type("left"))
        self.assertEqual((left["id"], left["room"]), ("3", "lobby"))
        notice = await receive(bob, of_type("member_left"))
        self.assertEqual(notice["user"], "alice")

    async def test_a_broadcast_reaches_all_members_with_its_position(self):
        alice, _ = await self.enter("/ws/lobby?user=alice")
        bob, _ = await self.enter("/ws/lobby?user=bob")
        await send(alice, type="chat", id="5", room="lobby", payload={"text": "grüß dich 👋"})
        views = [await receive(member, of_type("chat")) for member in (alice, bob)]
        ack = await receive(alice, of_type("ack"))
        for view in views:
            self.assertEqual(view["payload"], {"text": "grüß dich 👋"})
            self.assertEqual((view["from"], view["id"], view["event_id"]), ("alice", "5", ack["event_id"]))
        self.assertRegex(ack["event_id"], r"^[0-9a-f]{16}:1$")

    async def test_every_message_comes_once_and_in_one_order(self):
        clients, each = 8, 100
        sockets = [(await self.enter(f"/ws/crowd?user=user{n}"))[0] for n in range(clients)]

        async def talk(socket):
            for n in range(each):
                await send(socket, type="chat", id=str(n), payload=n)

        async def listen(socket):
            return [await receive(socket, of_type("chat"), 60) for _ in range(clients * each)]

        views, _ = await asyncio.gather(
            asyncio.gather(*map(listen, sockets)), asyncio.gather(*map(talk, sockets))
        )
        positions = [message["event_id"].split(":") for message in views[0]]
        self.assertEqual([int(offset) for _, offset in positions], list(range(1, clients * each + 1)))
        self.assertEqual(len({epoch for epoch, _ in positions}), 1)
        for view in views:
            self.assertEqual(view, views[0])
        for n in range(clients):
            own = [message["payload"] for message in views[0] if message["from"] == f"user{n}"]
            self.assertEqual(own, list(range(each)))

        # Nothing is repeated: the answer to a question is next.
        for socket in sockets:
            await send(socket, type="members", id="end", room="crowd")
            rest = []
            await receive(socket, lambda message: rest.append(message) or message["type"] == "members")
            self.assertEqual([message for message in rest if message["type"] == "chat"], [])

    async def test_binary_goes_through_unchanged(self):
        alice, _ = await self.enter("/ws/lobby?user=alice")
        bob, hello = await self.enter("/ws/lobby?user=bob")
        epoch = hello["rooms"][0]["position"].split(":")[0]
        payloads = [b"", bytes(range(256)), bytes(range(256)) * 250]
        for n, payload in enumerate(payloads, start=1):
            await alice.send(publish(b"lobby", type=b"image", id=b"i", payload=payload))
            for member in (alice, bob):
                frame = await receive(member, lambda message: isinstance(message, bytes))
                self.assertEqual(published(frame), (128, "lobby", "image", "i", "alice", epoch, n, payload))

        # Fragmented on the way in, whole on the way out.
        whole = publish(b"lobby", type=b"file", payload=bytes(range(256)))
        await alice.send([whole[:5], whole[5:40], whole[40:]])
        frame = await receive(bob, lambda message: isinstance(message, bytes))
        self.assertEqual(published(frame), (128, "lobby", "file", "", "alice", epoch, 4, bytes(range(256))))

    async def test_direct_messages_reach_all_connections_of_a_user(self):
        alice, _ = await self.enter("/ws/a?user=alice")
        tabs = [(await self.enter(path))[0] for path in ("/ws/a?user=bob", "/ws/b?user=bob", "/ws?user=bob")]
        await send(alice, type="direct", id="3", to="bob", payload={"text": "psst"})
        for tab in tabs:
            message = await receive(tab, of_type("direct"))
            self.assertEqual((message["from"], message["payload"]), ("alice", {"text": "psst"}))
        ack = await receive(alice, lambda message: message["type"] in ("ack", "direct", "error"))
        self.assertEqual((ack["type"], ack["id"]), ("ack", "3"))

        await alice.send(publish(b"bob", kind=1, type=b"file", payload=b"\x00\xff"))
        for tab in tabs:
            kind, _, type, _, sender, _, offset, payload = published(
                await receive(tab, lambda message: isinstance(message, bytes))
            )
            self.assertEqual((kind, type, sender, offset, payload), (129, "file", "alice", 0, b"\x00\xff"))

    async def test_the_library_can_ping_and_close(self):
        alice, _ = await self.enter("/ws/lobby?user=alice")
        latency = await asyncio.wait_for(await alice.ping(), PATIENCE)
        self.assertGreater(latency, 0)
        await alice.close(1000, "bye")
        # The reply contains the code (RFC 6455, 5.5.1); the reason was for the server.
        self.assertEqual(alice.close_code, 1000)


class Refusals(ServerTest):
    config = """
[limits]
max_per_room = 2
rate_limit_strikes = 5
"""

    async def test_close_codes_can_be_read(self):
        await self.enter("/ws/full?user=ann")
        await self.enter("/ws/full?user=ben")
        cases = [
            ("/ws/full?user=carol", None, 4002, "lobby_full"),
            ("/ws/a?user=carol", json.dumps({"type": "chat", "payload": "x" * 65_536}), 1009, "message over 65536 bytes"),
        ]
        for path, message, code, reason in cases:
            async with self.server.dial(path) as socket:
                if message is not None:
                    await socket.send(message)
                with self.assertRaises(ConnectionClosedError) as raised:
                    await receive(socket, lambda _: False)
                self.assertEqual((raised.exception.rcvd.code, raised.exception.rcvd.reason), (code, reason))
                self.assertEqual((socket.close_code, socket.close_reason), (code, reason))

    async def test_a_flood_is_warned_and_then_closed(self):
        socket, _ = await self.enter("/ws/a?user=dora")
        with self.assertRaises(ConnectionClosedError) as raised:
            errors = []

            async def flood():
                with suppress(ConnectionClosed):
                    for _ in range(2_000):
                        await send(socket, type="chat", payload="again")

            async def listen():
                await receive(socket, lambda message: message.get("code") == "rate_limited")
                errors.append("rate_limited")
                await receive(socket, lambda _: False)

            await asyncio.gather(flood(), listen())
        self.assertEqual(errors, ["rate_limited"])
        self.assertEqual((raised.exception.rcvd.code, raised.exception.rcvd.reason), (4029, "rate_limited"))


class Tokens(ServerTest):
    config = """
[auth]
mode = "jwt"
hs256_secret = "an example secret that is long enough"
"""

    async def test_a_token_as_subprotocol_or_header(self):
        token = await self.server.command("token", "--user", "alice")
        offer, hello = await self.enter("/ws/lobby", subprotocols=["switchboard", f"bearer.{token}"])
        self.assertEqual((offer.subprotocol, hello["user"]), ("switchboard", "alice"))
        header = {"Authorization": f"Bearer {token}"}
        bearer, hello = await self.enter("/ws/lobby", additional_headers=header)
        self.assertEqual((bearer.subprotocol, hello["user"]), (None, "alice"))

    async def test_without_a_good_one_there_is_a_401(self):
        token = await self.server.command("token", "--user", "alice")
        head, claims, signature = token.split(".")
        for subprotocols in (None, ["switchboard"], ["switchboard", f"bearer.{head}.{claims}.{signature[::-1]}"]):
            with self.assertRaises(InvalidStatus) as raised:
                await self.server.dial("/ws/lobby?user=alice", subprotocols=subprotocols)
            response = raised.exception.response
            self.assertEqual(response.status_code, 401)
            self.assertEqual(json.loads(response.body)["error"]["code"], "unauthorized")


if __name__ == "__main__":
    unittest.main()
