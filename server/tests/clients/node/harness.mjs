// Starts a real `switchboard` on a free port, and connects real clients.
//
// Nothing here sleeps: every wait has a condition and a deadline, after which it fails and says
// what it had seen. Everything that a test opened through its `Server` is closed with it.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";

/** Milliseconds. Long enough for a busy machine with two cores; nothing should come near it. */
export const PATIENCE = 10_000;

const children = new Set();
const killAll = () => children.forEach((child) => child.kill("SIGKILL"));
process.once("exit", killAll);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

// ---------------------------------------------------------------- waiting

/** Awaits `promise`, or fails after `ms` naming `what` (a text or a function that returns one). */
export function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      const text = typeof what === "function" ? what() : what;
      reject(new Error(`not within ${ms} ms: ${text}`));
    }, ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Calls `probe` repeatedly until it returns something truthy. */
export async function eventually(what, probe, ms = PATIENCE) {
  const end = performance.now() + ms;
  let last;
  for (;;) {
    last = await probe();
    if (last) return last;
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Lets pending events be handled. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));

const settled = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));

// ---------------------------------------------------------------- the server

export function program() {
  const path = process.env.SWITCHBOARD_BIN;
  assert.ok(path, "SWITCHBOARD_BIN must name the program under test");
  return path;
}

/** The environment without our variables, which the program would read as settings. */
function environment() {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("SWITCHBOARD"));
  return Object.fromEntries(kept);
}

export class Server {
  #child;
  #folder = mkdtempSync(join(tmpdir(), "switchboard-test-"));
  #opened = new Set();
  out = "";
  /** The program's log so far. */
  log = "";

  constructor(config) {
    this.config = join(this.#folder, "switchboard.toml");
    writeFileSync(this.config, config);
  }

  /** Starts a server for the test `t`, which stops it at the end in any case. */
  static async start(t, config = "") {
    const server = new Server(config);
    t.after(() => server.stop());
    await server.#run();
    return server;
  }

  async #run() {
    const args = ["--listen", "127.0.0.1:0", "--config", this.config];
    const child = spawn(program(), args, { stdio: ["ignore", "pipe", "pipe"], env: environment() });
    children.add(child);
    this.#child = child;
    this.exited = new Promise((resolve) => {
      child.once("error", (error) => resolve({ code: null, signal: null, error }));
      child.once("close", (code, signal) => resolve({ code, signal }));
    }).finally(() => children.delete(child));
    child.stderr.setEncoding("utf8").on("data", (text) => (this.log += text));
    const ready = new Promise((resolve) => {
      child.stdout.setEncoding("utf8").on("data", (text) => {
        this.out += text;
        const address = /http:\/\/127\.0\.0\.1:(\d+)\//.exec(this.out);
        if (address) resolve(Number(address[1]));
      });
    });
    const gone = this.exited.then((end) => {
      throw new Error(`the server ended at once: ${JSON.stringify(end)}\n${this.out}${this.log}`);
    });
    gone.catch(() => {});
    const told = () => `the server's address on stdout\n${this.out}${this.log}`;
    this.port = await within(PATIENCE, told, Promise.race([ready, gone]));
    assert.notEqual(this.port, 0, "the port that was really taken is printed");
    this.url = `http://127.0.0.1:${this.port}/`;
  }

  get pid() {
    return this.#child.pid;
  }

  /** Sends SIGTERM; returns how the program ended and after how long. */
  async terminate(ms = PATIENCE) {
    const start = performance.now();
    this.#child.kill("SIGTERM");
    const end = await within(ms, () => `exit after SIGTERM\n${this.log}`, this.exited);
    return { ...end, ms: performance.now() - start };
  }

  /**
   * Closes everything that was opened, then the server; fails if the server does not exit cleanly.
   */
  async stop() {
    for (const one of this.#opened) one.destroy();
    this.#opened.clear();
    try {
      if (this.#child?.pid) {
        const end = await this.terminate();
        assert.deepEqual([end.code, end.signal], [0, null], `a clean exit\n${this.log}`);
      }
      assert.doesNotMatch(this.log, /panicked at/, "the server must not panic");
    } finally {
      this.#child?.kill("SIGKILL");
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  /** Runs another command of the program with the same configuration; returns its output. */
  command(...args) {
    return new Promise((resolve, reject) => {
      const options = { env: environment(), timeout: PATIENCE };
      execFile(program(), [...args, "--config", this.config], options, (error, stdout, stderr) => {
        if (error) reject(new Error(`${args.join(" ")}: ${error.message}\n${stderr}`));
        else resolve(stdout);
      });
    });
  }

  // -------------------------------------------------------------- inspection

  async stats() {
    const answer = await this.get("/api/stats");
    assert.equal(answer.status, 200);
    return JSON.parse(answer.body);
  }

  /** Waits until no seat is taken or reserved; returns the statistics. */
  async empty(ms = PATIENCE) {
    let stats;
    const seen = () => `nobody connected, no seat reserved: ${JSON.stringify(stats)}`;
    return eventually(seen, async () => {
      stats = await this.stats();
      return stats.total_connections === 0 && stats.reserved === 0 ? stats : undefined;
    }, ms);
  }

  /** Resident memory in bytes. */
  memory() {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1]) * 1024;
  }

  descriptors() {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  // -------------------------------------------------------------- requests

  get(path, headers = {}) {
    return this.request({ path, headers });
  }

  /** Sends one HTTP request on a new connection. */
  request({ method = "GET", path, headers = {} }) {
    const answer = new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port: this.port, method, path, headers, agent: false };
      const request = http.request(options, (response) => resolve(body(response)));
      request.once("upgrade", (response, socket) => {
        socket.destroy();
        resolve({ status: response.statusCode, headers: response.headers, body: "" });
      });
      request.once("error", reject).end();
    });
    return within(PATIENCE, `${method} ${path} answered`, answer);
  }

  /** Opens a WebSocket that may be refused. */
  dial(path, { protocols = [], ...options } = {}) {
    const socket = new WebSocket(`ws://127.0.0.1:${this.port}${path}`, protocols, {
      perMessageDeflate: false,
      ...options,
    });
    return this.#keep(new Client(socket));
  }

  /** Opens a WebSocket that must be accepted; its `connected` message is `hello`. */
  async connect(path, options) {
    const client = this.dial(path, options);
    const outcome = await client.outcome();
    assert.ok(outcome.client, `let in at ${path}: ${JSON.stringify(outcome)}`);
    return client;
  }

  /** Opens a plain TCP connection. */
  async raw() {
    const raw = this.#keep(new Raw(this.port));
    await within(PATIENCE, "a TCP connection", raw.opened);
    return raw;
  }

  #keep(one) {
    this.#opened.add(one);
    one.gone.then(() => this.#opened.delete(one));
    return one;
  }
}

async function body(response) {
  let text = "";
  response.setEncoding("utf8");
  for await (const part of response) text += part;
  return { status: response.statusCode, headers: response.headers, body: text };
}

/** Returns the code in a refusal's JSON body. */
export function refusal(answer) {
  assert.match(answer.headers["content-type"] ?? "", /^application\/json/);
  const { error } = JSON.parse(answer.body);
  assert.equal(typeof error.message, "string");
  assert.notEqual(error.message, "");
  return error.code;
}

// ---------------------------------------------------------------- a WebSocket client

/** The `ws` package's client, with everything it received in order. */
export class Client {
  #inbox = [];
  #waiting = new Set();
  #refused;
  #ended;

  constructor(socket) {
    this.socket = socket;
    this.gone = settled(socket, "close");
    socket.on("message", (data, binary) => {
      this.#inbox.push(binary ? decodeBinary(data) : JSON.parse(data.toString()));
      this.#wake();
    });
    socket.on("unexpected-response", (request, response) => {
      body(response).then((answer) => {
        this.#refused = answer;
        this.#wake();
        request.destroy();
        // With this listener, ws leaves the socket to its owner.
        socket.terminate();
      });
    });
    socket.on("close", (code, reason) => {
      this.#ended = { code, reason: reason.toString() };
      this.#wake();
    });
    socket.on("error", (error) => (this.error = error));
  }

  #wake() {
    for (const check of this.#waiting) check();
  }

  /** Waits until `look` returns something other than undefined. `look` may throw to give up. */
  #until(what, look, ms) {
    let check;
    const found = new Promise((resolve, reject) => {
      check = () => {
        try {
          const value = look();
          if (value === undefined) return;
          resolve(value);
        } catch (error) {
          reject(error);
        }
        this.#waiting.delete(check);
      };
      this.#waiting.add(check);
      check();
    });
    return within(ms, () => `${what}; ${this.#seen()}`, found).finally(() => this.#waiting.delete(check));
  }

  #seen() {
    const last = this.#inbox.slice(-5).map((message) => JSON.stringify(message)?.slice(0, 300));
    const more = `${this.#inbox.length} unread messages, the last: ${last.join(" ") || "none"}`;
    return this.#ended ? `${more}; closed: ${JSON.stringify(this.#ended)}` : more;
  }

  /**
   * Takes the first unread message that matches (an object of fields, or a function) out of the
   * inbox. Others stay there, in order.
   */
  next(match, ms = PATIENCE) {
    const matches = typeof match === "function" ? match : (message) => fits(message, match);
    const what = typeof match === "function" ? "a message of the wanted kind" : JSON.stringify(match);
    return this.#until(what, () => {
      const at = this.#inbox.findIndex(matches);
      if (at >= 0) return this.#inbox.splice(at, 1)[0];
      if (this.#ended) throw new Error(`closed while waiting for ${what}; ${this.#seen()}`);
      return undefined;
    }, ms);
  }

  /** Takes the next `count` messages that match. */
  async take(count, match, ms = PATIENCE) {
    const end = performance.now() + ms;
    const taken = [];
    while (taken.length < count) {
      const left = Math.max(1, end - performance.now());
      taken.push(await this.next(match, left).catch((error) => {
        throw new Error(`${taken.length} of ${count} came: ${error.message}`);
      }));
    }
    return taken;
  }

  /** Takes all unread messages that match. */
  unread(match = {}) {
    const found = this.#inbox.filter((message) => fits(message, match));
    this.#inbox = this.#inbox.filter((message) => !fits(message, match));
    return found;
  }

  send(message) {
    this.socket.send(typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  /** Sends a message with a new id; returns the message that answers it. */
  async ask(message, ms = PATIENCE) {
    const id = message.id ?? `q${(serial += 1)}`;
    this.send({ ...message, id });
    return this.next((answer) => answer.id === id && ANSWERS.has(answer.type), ms);
  }

  async join(room) {
    const answer = await this.ask({ type: "join", room });
    assert.equal(answer.type, "joined", JSON.stringify(answer));
    return answer;
  }

  /**
   * Waits until everything that the server had queued for this connection is in the inbox: answers
   * arrive in order.
   */
  async fence(room) {
    const answer = await this.ask({ type: "members", room });
    assert.equal(answer.type, "members", JSON.stringify(answer));
    return answer;
  }

  /** Waits for the end of the connection, and returns how it ended. */
  closed(ms = PATIENCE) {
    return this.#until("the close", () => this.#ended, ms);
  }

  get open() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /**
   * Waits until accepted (`client`), closed by the server (`closed`), or refused with an HTTP
   * response (`refused`).
   */
  async outcome(ms = PATIENCE) {
    const outcome = await this.#until("a decision about the connection", () => {
      if (this.#refused) return { refused: this.#refused };
      const at = this.#inbox.findIndex((message) => message.type === "connected");
      if (at >= 0) {
        assert.equal(at, 0, "connected comes first");
        this.hello = this.#inbox.shift();
        return { client: this };
      }
      if (this.#ended) return { closed: this.#ended, error: this.error?.message };
      return undefined;
    }, ms);
    return outcome;
  }

  async close(code = 1000) {
    this.socket.close(code);
    return this.closed();
  }

  destroy() {
    this.socket.terminate();
  }
}

let serial = 0;
const ANSWERS = new Set(["ack", "error", "joined", "left", "members"]);

function fits(message, fields) {
  return Object.entries(fields).every(([name, value]) => message[name] === value);
}

/** Splits `"epoch:offset"`. */
export function position(text) {
  const parts = /^([0-9a-f]{16}):(0|[1-9][0-9]*)$/.exec(text);
  assert.ok(parts, `a position: ${text}`);
  return { epoch: parts[1], offset: Number(parts[2]) };
}

// ---------------------------------------------------------------- binary frames

export function encodeBinary({ kind = 0, to = "", type = "", id = "", payload }) {
  const [room, name, tag] = [to, type, id].map((text) => Buffer.from(text));
  const head = Buffer.from([1, kind, room.length, name.length, tag.length, 0, 0, 0]);
  return Buffer.concat([head, room, name, tag, payload]);
}

export function decodeBinary(frame) {
  assert.equal(frame[0], 1, "the version of a binary frame");
  assert.ok(frame.length >= 32, "a whole header");
  assert.deepEqual([frame[6], frame[7]], [0, 0]);
  let at = 32;
  const text = (length) => frame.toString("utf8", at, (at += length));
  const [room, type, id, from] = [frame[2], frame[3], frame[4], frame[5]].map(text);
  return {
    binary: true,
    kind: frame[1],
    room,
    type,
    id,
    from,
    epoch: frame.toString("hex", 8, 16),
    offset: Number(frame.readBigUInt64BE(16)),
    timestamp: Number(frame.readBigUInt64BE(24)),
    payload: frame.subarray(at),
  };
}

// ---------------------------------------------------------------- bare TCP

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** Returns the head of an upgrade request; a header given as null is left out. */
export function upgradeHead(path, { method = "GET", headers = {} } = {}) {
  const all = {
    Host: "127.0.0.1",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
    ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== null);
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([k, v]) => `${k}: ${v}\r\n`).join("")}\r\n`;
}

/** Returns a client's frame, with every field adjustable. */
export function frame({ fin = true, reserved = 0, opcode = 1, masked = true, payload = "" }) {
  const bytes = Buffer.from(payload);
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const bit = masked ? 0x80 : 0;
  let head;
  if (bytes.length < 126) head = Buffer.from([first, bit | bytes.length]);
  else if (bytes.length < 65536) {
    head = Buffer.from([first, bit | 126, bytes.length >> 8, bytes.length & 255]);
  } else {
    head = Buffer.alloc(10);
    head.set([first, bit | 127]);
    head.writeBigUInt64BE(BigInt(bytes.length), 2);
  }
  // A mask of zeros leaves the payload unchanged.
  return Buffer.concat([head, masked ? Buffer.alloc(4) : Buffer.alloc(0), bytes]);
}

export class Raw {
  received = Buffer.alloc(0);
  ended = false;
  #wake = () => {};

  constructor(port) {
    this.socket = net.connect({ host: "127.0.0.1", port });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once("connect", resolve).once("error", reject);
    });
    this.gone = settled(this.socket, "close");
    this.socket.on("error", () => {});
    this.socket.on("data", (data) => {
      this.received = Buffer.concat([this.received, data]);
      this.#wake();
    });
    this.socket.on("end", () => this.#end()).on("close", () => this.#end());
  }

  #end() {
    this.ended = true;
    this.#wake();
  }

  /** Waits until the bytes are sent, or cannot be. */
  write(data) {
    const flushed = new Promise((resolve) => this.socket.write(data, () => resolve()));
    return Promise.race([flushed, this.gone]);
  }

  #until(what, look, ms = PATIENCE) {
    const found = new Promise((resolve, reject) => {
      this.#wake = () => {
        const value = look();
        if (value !== undefined) resolve(value);
        else if (this.ended) reject(new Error(`closed before ${what}; got ${this.#seen()}`));
        else return;
        this.#wake = () => {};
      };
      this.#wake();
    });
    return within(ms, () => `${what}; got ${this.#seen()}`, found);
  }

  #seen() {
    return JSON.stringify(this.received.toString("latin1").slice(0, 400));
  }

  /** Waits for the HTTP response; what follows it stays in `received`. */
  answer(ms) {
    return this.#until("a whole HTTP answer", () => {
      const end = this.received.indexOf("\r\n\r\n");
      if (end < 0) return undefined;
      const [line, ...fields] = this.received.toString("latin1", 0, end).split("\r\n");
      const headers = Object.fromEntries(fields.map((field) => {
        const colon = field.indexOf(":");
        return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
      }));
      const from = end + 4;
      const length = Number(headers["content-length"] ?? 0);
      if (this.received.length < from + length) return undefined;
      const text = this.received.toString("utf8", from, from + length);
      this.received = this.received.subarray(from + length);
      return { status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1]), headers, body: text };
    }, ms);
  }

  async upgrade(path) {
    await this.write(upgradeHead(path));
    const answer = await this.answer();
    assert.equal(answer.status, 101, JSON.stringify(answer));
    assert.equal(answer.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    const first = await this.frame();
    assert.equal(JSON.parse(first.payload).type, "connected");
    return this;
  }

  /** Waits for the server's next frame. */
  frame(ms) {
    return this.#until("a whole frame", () => this.#takeFrame(), ms);
  }

  #takeFrame() {
    const bytes = this.received;
    if (bytes.length < 2) return undefined;
    assert.equal(bytes[1] & 0x80, 0, "a server does not mask");
    const short = bytes[1] & 0x7f;
    const start = short === 127 ? 10 : short === 126 ? 4 : 2;
    if (bytes.length < start) return undefined;
    const length =
      short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
    if (bytes.length < start + length) return undefined;
    this.received = bytes.subarray(start + length);
    return { opcode: bytes[0] & 0x0f, payload: bytes.subarray(start, start + length) };
  }

  /** Waits for the close frame, skipping frames before it. */
  async closeFrame(ms = PATIENCE) {
    const end = performance.now() + ms;
    for (;;) {
      const { opcode, payload } = await this.frame(Math.max(1, end - performance.now()));
      if (opcode === 8) {
        assert.ok(payload.length >= 2, "the close frame has a code");
        return { code: payload.readUInt16BE(0), reason: payload.toString("utf8", 2) };
      }
    }
  }

  /** Waits until the server has closed its side. */
  closed(ms) {
    return this.#until("the server's end", () => (this.ended ? true : undefined), ms);
  }

  destroy() {
    this.socket.destroy();
  }
}

// ---------------------------------------------------------------- numbers

export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
