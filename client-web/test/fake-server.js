// A Switchboard in miniature, for what a real one does only now and then: it cuts, delays and refuses when a test says so.

import { once } from "node:events";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const EPOCH = "00c9f1b2a4d07e35";

export class FakeServer {
  #rooms = new Map();
  #answers = new Map();
  #server;
  connections = new Set();
  /** Every message that came, as objects. */
  received = [];
  /** The addresses and subprotocols that were dialled. */
  dialled = [];
  /** What `accept` gives is the close code for a new connection; undefined lets it in. */
  accept = () => undefined;
  /** Whether to handle a message; false loses it. */
  handles = () => true;
  greeting = {};
  /** What `refuse` gives is the HTTP answer to an upgrade, instead of a connection. */
  refuse = () => undefined;

  static async start(t) {
    const server = new FakeServer();
    await server.listen(0);
    t.after(() => server.stop());
    return server;
  }

  async listen(port) {
    const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "switchboard" });
    sockets.on("connection", (socket, request) => this.#connected(socket, request));
    this.#server = createServer();
    this.#server.on("upgrade", (request, stream, head) => this.#upgrade(sockets, request, stream, head));
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = this.#server.address().port;
    this.url = `ws://127.0.0.1:${this.port}/ws`;
  }

  stop() {
    this.cut();
    return new Promise((resolve) => this.#server.close(resolve));
  }

  /** Loses every connection without a word. */
  cut() {
    for (const { socket } of this.connections) {
      socket.terminate();
    }
  }

  close(code, reason) {
    for (const { socket } of this.connections) {
      socket.close(code, reason);
    }
  }

  /** To all connections. */
  send(message) {
    for (const { socket } of this.connections) {
      socket.send(typeof message === "string" || message instanceof Uint8Array ? message : JSON.stringify(message));
    }
  }

  room(name) {
    if (!this.#rooms.has(name)) {
      this.#rooms.set(name, { epoch: EPOCH, log: [], members: new Set() });
    }
    return this.#rooms.get(name);
  }

  position(name) {
    const { epoch, log } = this.room(name);
    return `${epoch}:${log.length}`;
  }

  publish(name, fields) {
    const room = this.room(name);
    const event = { room: name, timestamp: 1, ...fields, event_id: `${room.epoch}:${room.log.length + 1}` };
    room.log.push(event);
    for (const member of room.members) {
      member.tell(event);
    }
    return event;
  }

  #upgrade(sockets, request, stream, head) {
    this.dialled.push({ url: request.url, protocols: request.headers["sec-websocket-protocol"].split(",") });
    const refusal = this.refuse(this.dialled.length);
    if (!refusal) {
      sockets.handleUpgrade(request, stream, head, (socket) => sockets.emit("connection", socket, request));
      return;
    }
    const { status, headers = {}, body } = refusal;
    const lines = Object.entries({ Connection: "close", "Content-Length": Buffer.byteLength(body), ...headers });
    stream.end(`HTTP/1.1 ${status} Refused\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`);
  }

  #connected(socket, request) {
    const code = this.accept(this.dialled.length);
    if (code !== undefined) {
      socket.close(code, "refused");
      return;
    }
    const query = new URL(request.url, "ws://x").searchParams;
    const connection = {
      socket,
      user: query.get("user") ?? "anonymous",
      tell: (message) => socket.send(JSON.stringify(message)),
    };
    this.connections.add(connection);
    socket.on("close", () => {
      this.connections.delete(connection);
      for (const { members } of this.#rooms.values()) {
        members.delete(connection);
      }
    });
    socket.on("message", (data, isBinary) => {
      const message = isBinary ? readPublish(data) : JSON.parse(data);
      this.received.push(message);
      if (this.handles(message)) {
        this.#handle(connection, message);
      }
    });
    connection.tell({
      type: "connected",
      client_id: "1-1",
      user: connection.user,
      session: "5be0cd19137e2179",
      rooms: [],
      heartbeat: { interval_ms: 30_000, stale_after_ms: 45_000 },
      limits: { max_message_bytes: 65_536, max_rooms: 50, messages_per_second: 50, message_burst: 100 },
      timestamp: 1,
      ...this.greeting,
    });
  }

  #handle(connection, message) {
    const { type, id, room } = message;
    switch (type) {
      case "join":
        this.#join(connection, message, id);
        return;
      case "resume":
        message.rooms.forEach((one) => this.#join(connection, one));
        return;
      case "leave":
        this.room(room).members.delete(connection);
        connection.tell({ type: "left", id, room });
        return;
      case "members": {
        const members = [...this.room(room).members].map(({ user }) => user);
        connection.tell({ type: "members", id, room, members, total: members.length });
        return;
      }
      case "history":
        connection.tell({ type: "history", id, room, events: this.#since(room, message.since), position: this.position(room), more: false });
        return;
      case "health_ping":
        connection.tell({ type: "health_pong", timestamp: message.timestamp });
        return;
      case "health_pong":
      case "reply":
        return;
      case "add":
        connection.tell({ type: "ack", id, payload: message.payload.a + message.payload.b });
        return;
      case "direct":
        this.#once(id, () => {
          connection.tell({ type: "direct", from: connection.user, id, timestamp: 1, payload: message.payload });
          return { type: "ack", id };
        }, connection);
        return;
      default:
        this.#once(id, () => {
          const { event_id } = this.publish(room, { type, id, from: connection.user, payload: message.payload });
          return { type: "ack", id, event_id };
        }, connection);
    }
  }

  #once(id, answer, connection) {
    if (!this.#answers.has(id)) {
      this.#answers.set(id, answer());
    }
    connection.tell(this.#answers.get(id));
  }

  #since(name, since) {
    const { epoch, log } = this.room(name);
    const [knownEpoch, offset] = since?.split(":") ?? [epoch, 0];
    return knownEpoch === epoch ? log.slice(Number(offset)) : undefined;
  }

  #join(connection, { room: name, last_event_id }, id) {
    const room = this.room(name);
    if (room.refuses) {
      connection.tell({ type: "error", id, room: name, ...room.refuses });
      return;
    }
    room.members.add(connection);
    const joined = { type: "joined", id, room: name, members: room.members.size };
    if (last_event_id === undefined) {
      connection.tell({ ...joined, position: this.position(name) });
      return;
    }
    const missed = this.#since(name, last_event_id);
    if (missed) {
      connection.tell({ ...joined, position: last_event_id, recovered: true });
      missed.forEach(connection.tell);
    } else {
      connection.tell({ ...joined, position: this.position(name), recovered: false });
      connection.tell({ type: "refresh", room: name, reason: "unknown_epoch", position: this.position(name) });
    }
  }
}

function readPublish(data) {
  const [, kind, ...lengths] = data.subarray(0, 5);
  let at = 8;
  const [room, type, id] = lengths.map((length) => data.subarray(at, (at += length)).toString());
  const payload = { bytes: [...data.subarray(at)] };
  return kind === 1 ? { type: "direct", to: room, id, payload } : { type, room, id, payload };
}

/** Asks `probe` until it gives something truthy. */
export async function eventually(what, probe, ms = 10_000) {
  const end = performance.now() + ms;
  for (;;) {
    const value = await probe();
    if (value) {
      return value;
    }
    if (performance.now() > end) {
      throw new Error(`not within ${ms} ms: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A promise for the next value that a listener gets; `on` is that of a client or a room. */
export function next(emitter, name, matches = () => true) {
  return new Promise((resolve) => {
    const off = emitter.on(name, (value) => {
      if (matches(value)) {
        off();
        resolve(value);
      }
    });
  });
}
