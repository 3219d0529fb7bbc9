// Built from client-web/src by `npm run build`: change it there.

// src/error.ts
var SwitchboardError = class extends Error {
  name = "SwitchboardError";
  code;
  constructor(code, message) {
    super(message);
    this.code = code;
  }
};

// src/listeners.ts
var Listeners = class {
  #report;
  #listeners = {};
  constructor(report) {
    this.#report = report;
  }
  add(name, listener) {
    const listeners = this.#listeners[name] ??= /* @__PURE__ */ new Set();
    const own = (value) => listener(value);
    listeners.add(own);
    return () => void listeners.delete(own);
  }
  /** Whether anybody heard it. */
  emit(name, value) {
    const listeners = [...this.#listeners[name] ?? []];
    for (const listener of listeners) {
      try {
        listener(value);
      } catch (error) {
        this.#report(error);
      }
    }
    return listeners.length > 0;
  }
};

// src/backoff.ts
var Backoff = class {
  #min;
  #max;
  #seed;
  #failures = 0;
  constructor(min, max, seed) {
    this.#min = min;
    this.#max = max;
    this.#seed = seed;
  }
  reset() {
    this.#failures = 0;
  }
  /** The wait after one more failure, in milliseconds. */
  next() {
    const ceiling = Math.min(this.#max, this.#min * 2 ** this.#failures);
    this.#failures += 1;
    return Math.floor(this.#draw() * (ceiling + 1) / 2 ** 32);
  }
  /** mulberry32: small, and the same in every language. */
  #draw() {
    this.#seed = this.#seed + 1831565813 | 0;
    let t = this.#seed;
    t = Math.imul(t ^ t >>> 15, t | 1);
    t ^= t + Math.imul(t ^ t >>> 7, t | 61);
    return (t ^ t >>> 14) >>> 0;
  }
};

// src/outgoing.ts
var Outgoing = class {
  #prefix;
  #pending = /* @__PURE__ */ new Map();
  #count = 0;
  constructor(prefix) {
    this.#prefix = prefix;
  }
  add(kind, ticket, message, due = Infinity) {
    this.#count += 1;
    const id = `${this.#prefix}-${this.#count}`;
    const pending = { kind, ticket, message: { ...message, id }, due, sent: false, limited: false };
    this.#pending.set(id, pending);
    return pending;
  }
  get(id) {
    return id === void 0 ? void 0 : this.#pending.get(id);
  }
  /** Takes out the one with this id. */
  delete(id) {
    this.#pending.delete(id);
  }
  /** Takes out those for which `which` holds. */
  take(which) {
    const taken = this.list(which);
    for (const { message } of taken) {
      this.#pending.delete(message.id);
    }
    return taken;
  }
  list(which) {
    return [...this.#pending.values()].filter(which);
  }
  count(which) {
    return this.list(which).length;
  }
};
var isWaiting = ({ sent }) => !sent;
var isInFlight = ({ kind, sent }) => sent && kind === "send";

// src/position.ts
function split(position) {
  const colon = position.lastIndexOf(":");
  return [position.slice(0, colon), position.slice(colon + 1)];
}
function isBeyond(position, known) {
  if (known === void 0) {
    return true;
  }
  const [epoch, offset] = split(position);
  const [knownEpoch, knownOffset] = split(known);
  return epoch !== knownEpoch || offset.length > knownOffset.length || offset.length === knownOffset.length && offset > knownOffset;
}
function following(position) {
  const [epoch, offset] = split(position);
  return `${epoch}:${BigInt(offset) + 1n}`;
}

// src/rooms.ts
var Rooms = class {
  #rooms = /* @__PURE__ */ new Map();
  get(name) {
    return name === void 0 ? void 0 : this.#rooms.get(name);
  }
  open(name) {
    let room = this.#rooms.get(name);
    if (!room) {
      room = { position: void 0, entered: false, asked: false, wanted: false, tickets: [] };
      this.#rooms.set(name, room);
    }
    return room;
  }
  delete(name) {
    this.#rooms.delete(name);
  }
  clear() {
    this.#rooms.clear();
  }
  /** The connection is gone, and with it every seat. */
  lost() {
    for (const [name, room] of this.#rooms) {
      room.entered = room.asked = false;
      if (!room.wanted) {
        this.#rooms.delete(name);
      }
    }
  }
  /** What a `resume` asks for. */
  resume() {
    const rooms = [];
    for (const [name, room] of this.#rooms) {
      if (!room.entered) {
        room.asked = true;
        rooms.push(entry(name, room));
      }
    }
    return rooms;
  }
  /** Takes the tickets of all joins that nothing has answered. */
  takeTickets() {
    return [...this.#rooms.values()].flatMap((room) => room.tickets.splice(0));
  }
  forgetTicket(ticket) {
    for (const room of this.#rooms.values()) {
      room.tickets = room.tickets.filter((one) => one !== ticket);
    }
  }
  /** Moves the position of a room on; false if that is no news. */
  advance(name, position) {
    const room = this.get(name);
    if (room && typeof position === "string") {
      if (!isBeyond(position, room.position)) {
        return false;
      }
      room.position = position;
    }
    return true;
  }
  /** An own publication without an echo is the next one, if nothing came between. */
  acknowledge(name, position) {
    const room = this.get(name);
    if (room?.position !== void 0 && position === following(room.position)) {
      room.position = position;
    }
  }
};
function entry(room, { position }) {
  return position === void 0 ? { room } : { room, last_event_id: position };
}

// src/wire.ts
var PUBLISH = 0;
var DIRECT = 1;
var PUBLICATION = 128;
var DIRECT_TO_CLIENT = 129;
var ANSWER = 130;
var RECEIVED_HEADER = 32;
var MAX_NAME_BYTES = 255;
var encoder = new TextEncoder();
var decoder = new TextDecoder("utf-8", { fatal: true });
function sizeOf(message) {
  const data = encode(message);
  return typeof data === "string" ? encoder.encode(data).length : data.length;
}
function encode(message) {
  const { type, id, room, to, payload } = message;
  if (!(payload instanceof Uint8Array)) {
    return JSON.stringify(message);
  }
  const direct = to !== void 0;
  const names = [direct ? to : room, direct ? "" : type, id].map((name) => encoder.encode(name ?? ""));
  const lengths = names.map(({ length }) => length);
  if (lengths.some((length) => length > MAX_NAME_BYTES)) {
    throw new RangeError("a name is too long for a binary message");
  }
  const parts = [Uint8Array.of(1, direct ? DIRECT : PUBLISH, ...lengths, 0, 0, 0), ...names, payload];
  const frame = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}
function decode(data) {
  const message = typeof data === "string" ? JSON.parse(data) : decodeFrame(new Uint8Array(data));
  if (typeof message?.type !== "string") {
    throw new SyntaxError("a message without a type");
  }
  return message;
}
function decodeFrame(bytes) {
  const [version, kind, ...lengths] = bytes.subarray(0, 6);
  const payloadAt = lengths.reduce((sum, length) => sum + length, RECEIVED_HEADER);
  if (version !== 1 || bytes.length < payloadAt) {
    throw new SyntaxError("a binary message with a bad header");
  }
  let at = RECEIVED_HEADER;
  const [room, type, id, from] = lengths.map((length) => decoder.decode(bytes.subarray(at, at += length)));
  const head = new DataView(bytes.buffer, bytes.byteOffset);
  const message = {
    ...id && { id },
    ...from && { from },
    timestamp: Number(head.getBigUint64(24)),
    payload: bytes.subarray(payloadAt)
  };
  switch (kind) {
    case PUBLICATION: {
      const epoch = head.getBigUint64(8).toString(16).padStart(16, "0");
      return { ...message, type: type || "binary", room, event_id: `${epoch}:${head.getBigUint64(16)}` };
    }
    case DIRECT_TO_CLIENT:
      return { ...message, type: "direct" };
    case ANSWER:
      return { type: "ack", id, payload: message.payload };
    default:
      throw new SyntaxError("a kind of binary message that does not go to a client");
  }
}
function fromHistory({ binary, ...event }) {
  return typeof binary === "string" ? { ...event, payload: Uint8Array.from(atob(binary), (char) => char.charCodeAt(0)) } : event;
}

// src/machine.ts
var DEFAULTS = {
  min_backoff_ms: 1e3,
  max_backoff_ms: 3e4,
  stable_after_ms: 6e4,
  connect_timeout_ms: 1e4,
  request_timeout_ms: 5e3,
  stale_after_ms: 45e3,
  buffer: 100,
  max_in_flight: 100,
  ask_token: false,
  seed: 0,
  id_prefix: ""
};
var FINAL = [1e3, 1002, 1003, 1007, 1009, 4003, 4004, 400, 403, 404, 405, 426];
var UNAUTHORIZED = [4001, 401];
var PONG_WITHIN_MS = 5e3;
var RATE_LIMIT_PAUSE_MS = 1e3;
var RANK = { drop: 0, state: 1, ask_token: 3, dial: 3, transmit: 4 };
var rank = (action) => RANK[Object.keys(action)[0]] ?? 2;
var ticketOf = (action) => "settled" in action ? action.settled.ticket : 0;
var Machine = class {
  #config;
  #backoff;
  #outgoing;
  #rooms = new Rooms();
  /** Ids of what the server asked on this connection and nobody has answered. */
  #asked = /* @__PURE__ */ new Set();
  #actions = [];
  #now = 0;
  #state = "idle";
  #token;
  #session;
  /** Whether the token in use came after a refusal and has not been accepted yet. */
  #freshToken = false;
  /** In *connecting*, whether there is a socket and not only the wish for a token. */
  #dialled = false;
  /** In *connecting* and *waiting*, when that ends. */
  #until = Infinity;
  #openedAt = 0;
  #staleAfter = 0;
  #lastFrame = 0;
  #pongDue = Infinity;
  #limitedUntil = Infinity;
  #maxBytes = Infinity;
  /** The next wait, where the server said it. */
  #wait;
  constructor(config = {}) {
    this.#config = { ...DEFAULTS, ...config };
    const { min_backoff_ms, max_backoff_ms, seed, id_prefix } = this.#config;
    this.#backoff = new Backoff(min_backoff_ms, max_backoff_ms, seed);
    this.#outgoing = new Outgoing(id_prefix);
  }
  handle(now2, event) {
    this.#now = now2;
    this.#actions = [];
    const [[name, body]] = Object.entries(event);
    this.#on[name](body);
    const byTicket = name === "received" ? 0 : 1;
    return this.#actions.sort((a, b) => rank(a) - rank(b) || byTicket * (ticketOf(a) - ticketOf(b)));
  }
  /** When `tick` is due; null if nothing is waited for. */
  nextDeadline() {
    const dues = this.#outgoing.list(() => true).map(({ due }) => due);
    const deadline = Math.min(this.#until, this.#staleAt(), this.#pongDue, this.#limitedUntil, ...dues);
    return deadline === Infinity ? null : deadline;
  }
  #on = {
    connect: () => {
      if (this.#state === "waiting") {
        this.#retry();
      } else if (this.#state === "idle" || this.#state === "closed") {
        this.#backoff.reset();
        this.#freshToken = false;
        this.#retry();
      }
    },
    stop: () => {
      if (this.#state === "idle" || this.#state === "closed") {
        return;
      }
      this.#dropSocket(1e3);
      this.#end("idle", "stopped", "the client was stopped");
      this.#rooms.clear();
      this.#session = this.#token = void 0;
    },
    token: (answer) => {
      if (this.#state !== "connecting" || this.#dialled) {
        return;
      }
      if ("error" in answer) {
        this.#lost({});
      } else {
        this.#token = answer.token;
        this.#dial();
      }
    },
    opened: () => this.#heard(),
    alive: () => this.#heard(),
    received: (message) => this.#received(message),
    ended: ({ code, reason }) => {
      if (this.#hasSocket()) {
        this.#over(code, { ...code !== void 0 && { code }, ...reason !== void 0 && { reason } });
      }
    },
    refused: ({ status, retry_after_ms }) => {
      if (this.#hasSocket()) {
        this.#wait = retry_after_ms ?? this.#wait;
        this.#over(status, { code: status });
      }
    },
    join: ({ ticket, room: name, since }) => {
      if (this.#refuseIfClosed(ticket)) {
        return;
      }
      const room = this.#rooms.open(name);
      room.wanted = true;
      room.position ??= since;
      if (room.entered) {
        this.#settle(ticket, { ok: { position: room.position } });
        return;
      }
      room.tickets.push(ticket);
      if (this.#state === "open" && !room.asked) {
        room.asked = true;
        this.#transmit(this.#outgoing.add("join", ticket, { type: "join", ...entry(name, room) }));
      }
    },
    leave: ({ ticket, room: name }) => {
      if (this.#refuseIfClosed(ticket)) {
        return;
      }
      const room = this.#rooms.get(name);
      this.#rooms.delete(name);
      this.#settleAll(room?.tickets ?? [], { error: { code: "left", message: "the room was left" } });
      if (this.#state === "open" && (room?.entered || room?.asked)) {
        this.#transmit(this.#outgoing.add("leave", ticket, { type: "leave", room: name }));
      } else {
        this.#settle(ticket, { ok: {} });
      }
    },
    send: ({ ticket, ...message }) => this.#enqueue("send", ticket, message),
    direct: ({ ticket, ...message }) => this.#enqueue("send", ticket, { type: "direct", ...message }),
    request: ({ ticket, timeout_ms, ...message }) => this.#enqueue("request", ticket, message, timeout_ms),
    ask: ({ ticket, message }) => this.#enqueue("request", ticket, message),
    cancel: ({ ticket }) => {
      this.#rooms.forgetTicket(ticket);
      this.#outgoing.take((pending) => pending.ticket === ticket && pending.kind !== "join");
      this.#pump();
    },
    reply: (reply) => {
      if (this.#asked.delete(reply.id)) {
        this.#emit({ transmit: { type: "reply", ...reply } });
      }
    },
    wake: () => {
      if (this.#state === "waiting") {
        this.#retry();
      } else if (this.#state === "open" && this.#pongDue === Infinity) {
        this.#pongDue = this.#now + PONG_WITHIN_MS;
        this.#emit({ transmit: { type: "health_ping", timestamp: this.#now } });
      }
    },
    tick: () => {
      for (const { ticket } of this.#outgoing.take(({ due }) => due <= this.#now)) {
        this.#fail(ticket, "timeout", "no answer came in time");
      }
      if (this.#now >= Math.min(this.#staleAt(), this.#pongDue)) {
        this.#lost({});
      } else if (this.#now >= this.#until) {
        if (this.#state === "waiting") {
          this.#retry();
        } else {
          this.#lost({});
        }
      } else if (this.#now >= this.#limitedUntil) {
        this.#limitedUntil = Infinity;
        for (const pending of this.#outgoing.list(({ limited }) => limited)) {
          this.#transmit(pending);
        }
      }
    }
  };
  // ---- the connection ----
  #hasSocket() {
    return this.#state === "open" || this.#state === "connecting" && this.#dialled;
  }
  #retry() {
    this.#enter({ state: "connecting" });
    if (this.#config.ask_token && this.#token === void 0) {
      this.#askToken();
    } else {
      this.#dial();
    }
  }
  #askToken() {
    this.#token = void 0;
    this.#dialled = false;
    this.#until = this.#now + this.#config.connect_timeout_ms;
    this.#emit({ ask_token: {} });
  }
  #dial() {
    this.#dialled = true;
    this.#until = this.#now + this.#config.connect_timeout_ms;
    this.#emit({
      dial: {
        ...this.#token !== void 0 && { token: this.#token },
        ...this.#session !== void 0 && { session: this.#session }
      }
    });
  }
  #connected(message) {
    const { session, heartbeat, limits, rooms } = message;
    this.#session = session ?? this.#session;
    this.#staleAfter = heartbeat?.stale_after_ms ?? this.#config.stale_after_ms;
    this.#maxBytes = limits?.max_message_bytes ?? Infinity;
    this.#openedAt = this.#lastFrame = this.#now;
    this.#until = Infinity;
    this.#freshToken = false;
    this.#enter({ state: "open" });
    for (const { ticket } of this.#outgoing.take((pending) => this.#isTooBig(pending))) {
      this.#failTooBig(ticket);
    }
    for (const { room, position } of rooms ?? []) {
      this.#entered(room, { position });
    }
    const resume = this.#rooms.resume();
    if (resume.length > 0) {
      this.#emit({ transmit: { type: "resume", rooms: resume } });
    }
    for (const pending of this.#outgoing.list(isInFlight)) {
      this.#transmit(pending);
    }
    this.#pump();
  }
  /** The socket ended, or the upgrade was refused. */
  #over(code, cause) {
    this.#forgetConnection();
    if (code !== void 0 && UNAUTHORIZED.includes(code)) {
      if (this.#config.ask_token && !this.#freshToken) {
        this.#freshToken = true;
        this.#enter({ state: "connecting", ...cause });
        this.#askToken();
        return;
      }
    } else if (code === void 0 || !FINAL.includes(code)) {
      this.#pause(cause);
      return;
    }
    this.#end("closed", "closed", "the connection is closed for good", cause);
  }
  /** Gives up what there is of a connection, and tries again later. */
  #lost(cause) {
    this.#dropSocket();
    this.#forgetConnection();
    this.#pause(cause);
  }
  #pause(cause) {
    let wait = this.#wait;
    this.#wait = void 0;
    wait ??= this.#backoff.next();
    this.#until = this.#now + wait;
    this.#state = "waiting";
    this.#emit({ state: { state: "waiting", retry_in_ms: wait, ...cause } });
  }
  #dropSocket(code) {
    if (this.#hasSocket()) {
      this.#emit({ drop: code === void 0 ? {} : { code } });
    }
  }
  #forgetConnection() {
    if (this.#state === "open" && this.#now - this.#openedAt >= this.#config.stable_after_ms) {
      this.#backoff.reset();
    }
    this.#dialled = false;
    this.#until = this.#pongDue = this.#limitedUntil = Infinity;
    this.#asked.clear();
    this.#rooms.lost();
    for (const { kind, ticket } of this.#outgoing.take(({ kind: kind2, sent }) => sent && kind2 !== "send")) {
      if (kind === "request") {
        this.#fail(ticket, "disconnected", "the connection was lost before the answer came");
      } else if (kind === "leave") {
        this.#settle(ticket, { ok: {} });
      }
    }
  }
  #end(state, code, message, cause = {}) {
    const tickets = [...this.#outgoing.take(() => true).filter(({ kind }) => kind !== "join").map(({ ticket }) => ticket), ...this.#rooms.takeTickets()];
    this.#settleAll(tickets, { error: { code, message } });
    this.#forgetConnection();
    this.#wait = void 0;
    this.#enter({ state, ...cause });
  }
  #enter(change) {
    if (change.state !== this.#state) {
      this.#state = change.state;
      this.#emit({ state: change });
    }
  }
  // ---- life ----
  #heard() {
    this.#lastFrame = this.#now;
    this.#pongDue = Infinity;
  }
  #staleAt() {
    return this.#state === "open" && this.#staleAfter > 0 ? this.#lastFrame + this.#staleAfter : Infinity;
  }
  // ---- what arrives ----
  #received(message) {
    if (this.#state !== "open") {
      if (this.#hasSocket() && message.type === "connected") {
        this.#connected(message);
      }
      return;
    }
    this.#heard();
    const { type, id, room } = message;
    switch (type) {
      case "connected":
      case "health_pong":
        return;
      case "health_ping":
        this.#emit({ transmit: { type: "health_pong", timestamp: message["timestamp"] } });
        return;
      case "draining":
        this.#wait = message["retry_after_ms"];
        return;
      case "request":
        this.#asked.add(id);
        this.#emit({ requested: requested(message) });
        return;
      case "joined":
      case "left":
      case "ack":
      case "error":
      case "members":
      case "history":
        this.#answered(message);
        return;
      case "gap":
        this.#rooms.advance(room, message["position"]);
        break;
      case "refresh":
        this.#rooms.advance(room, message["position"]);
        break;
      case "direct":
      case "member_joined":
      case "member_left":
        break;
      default:
        if (room === void 0 || !this.#rooms.advance(room, message["event_id"])) {
          return;
        }
    }
    this.#emit({ deliver: message });
  }
  #answered(message) {
    const { type, id, room } = message;
    if (id === void 0) {
      this.#toldOf(message);
      return;
    }
    const pending = this.#outgoing.get(id);
    if (!pending) {
      return;
    }
    const problem = type === "error" ? problemOf(message) : void 0;
    if (problem?.code === "rate_limited" && pending.kind === "send") {
      pending.limited = true;
      this.#limitedUntil = Math.min(this.#limitedUntil, this.#now + RATE_LIMIT_PAUSE_MS);
      return;
    }
    this.#outgoing.delete(id);
    if (pending.kind === "join") {
      if (problem) {
        this.#shutOut(pending.message.room, problem);
      } else {
        this.#entered(room, enteredOf(message));
      }
    } else {
      if (type === "ack" && pending.kind === "send") {
        this.#rooms.acknowledge(pending.message.room, message["event_id"]);
      }
      this.#settle(pending.ticket, problem ? { error: problem } : { ok: pending.kind === "leave" ? {} : resultOf(message) });
    }
    this.#pump();
  }
  /** An answer without an id is one of the answers to `resume`, or the server did it by itself. */
  #toldOf(message) {
    const name = message.room;
    if (name === void 0 || !this.#rooms.get(name)) {
      return;
    }
    if (message.type === "joined") {
      this.#entered(name, enteredOf(message));
    } else if (message.type === "error") {
      this.#shutOut(name, problemOf(message));
    } else if (message.type === "left") {
      this.#rooms.delete(name);
      this.#emit({ room: { room: name, left: {} } });
    }
  }
  #entered(name, entered) {
    const room = this.#rooms.open(name);
    room.entered = true;
    room.asked = false;
    room.position = entered.position;
    if (room.tickets.length > 0) {
      this.#settleAll(room.tickets.splice(0), { ok: { ...entered } });
    } else if (room.wanted) {
      this.#emit({ room: { room: name, joined: entered } });
    }
  }
  /** A room cannot be entered. */
  #shutOut(name, problem) {
    const room = this.#rooms.get(name);
    this.#rooms.delete(name);
    if (room.tickets.length > 0) {
      this.#settleAll(room.tickets, { error: problem });
    } else {
      this.#emit({ room: { room: name, left: problem } });
    }
  }
  // ---- what is sent ----
  #enqueue(kind, ticket, message, timeout = this.#config.request_timeout_ms) {
    if (this.#refuseIfClosed(ticket)) {
      return;
    }
    const pending = this.#outgoing.add(kind, ticket, message, kind === "request" ? this.#now + timeout : Infinity);
    if (this.#isTooBig(pending)) {
      this.#outgoing.delete(pending.message.id);
      this.#failTooBig(ticket);
      return;
    }
    this.#pump();
    if (!pending.sent && this.#outgoing.count(isWaiting) > this.#config.buffer) {
      this.#outgoing.delete(pending.message.id);
      this.#fail(ticket, "buffer_full", `${this.#config.buffer} messages are waiting already`);
    }
  }
  /** Sends what waits, as far as it may go. */
  #pump() {
    if (this.#state !== "open") {
      return;
    }
    let room = this.#config.max_in_flight - this.#outgoing.count(isInFlight);
    for (const pending of this.#outgoing.list(isWaiting)) {
      if (pending.kind === "request" || room > 0) {
        room -= pending.kind === "send" ? 1 : 0;
        this.#transmit(pending);
      }
    }
  }
  #transmit(pending) {
    pending.sent = true;
    pending.limited = false;
    this.#emit({ transmit: pending.message });
  }
  #isTooBig({ message }) {
    return sizeOf(message) > this.#maxBytes;
  }
  #refuseIfClosed(ticket) {
    if (this.#state === "closed") {
      this.#fail(ticket, "closed", "the connection is closed for good");
      return true;
    }
    return false;
  }
  #failTooBig(ticket) {
    this.#fail(ticket, "too_big", `the server takes messages of up to ${this.#maxBytes} bytes`);
  }
  #fail(ticket, code, message) {
    this.#settle(ticket, { error: { code, message } });
  }
  #settleAll(tickets, outcome) {
    for (const ticket of tickets) {
      this.#settle(ticket, outcome);
    }
  }
  #settle(ticket, outcome) {
    this.#emit({ settled: { ticket, ...outcome } });
  }
  #emit(action) {
    this.#actions.push(action);
  }
};
function resultOf({ type: _type, id: _id, room: _room, ...result }) {
  return result;
}
function enteredOf(message) {
  const { position, recovered } = message;
  return recovered === void 0 ? { position } : { position, recovered };
}
function problemOf(message) {
  const { code, message: text } = message;
  return { code, message: text };
}
function requested(message) {
  const { id, method, payload } = message;
  return { id, method, ...payload !== void 0 && { payload } };
}

// src/payload.ts
function snapshot(payload) {
  if (payload instanceof ArrayBuffer) {
    return new Uint8Array(payload.slice(0));
  }
  if (ArrayBuffer.isView(payload)) {
    return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength).slice();
  }
  return payload === void 0 ? void 0 : JSON.parse(JSON.stringify(payload));
}

// src/room.ts
var Seat = class {
  events;
  joined = false;
  constructor(report) {
    this.events = new Listeners(report);
  }
  enter(entered) {
    if (!this.joined) {
      this.joined = true;
      this.events.emit("joined", entered);
    }
  }
  exit(problem) {
    this.joined = false;
    this.events.emit("left", problem);
  }
};
var UNREAD = 1e3;
var Room = class {
  name;
  #link;
  #seat;
  /** @internal */
  constructor(name, link, seat) {
    this.name = name;
    this.#link = link;
    this.#seat = seat;
  }
  /** Whether the connection is in the room now. */
  get joined() {
    return this.#seat.joined;
  }
  /** Gives a function that takes the listener off again. */
  on(name, listener) {
    return this.#seat.events.add(name, listener);
  }
  /** Enters the room, and enters it again after each reconnect. With `since`, what was published after that comes first. */
  join({ since, signal } = {}) {
    const join = { room: this.name, ...since !== void 0 && { since } };
    return this.#link.call((ticket) => ({ join: { ticket, ...join } }), { signal }, (entered) => this.#seat.enter(entered));
  }
  async leave(options = {}) {
    await this.#link.call((ticket) => ({ leave: { ticket, room: this.name } }), options, () => this.#seat.exit({}));
  }
  /**
   * Publishes, or hands it to the application's handler for this type. Settles when the server has answered; until then it
   * survives reconnects, and is published once. `payload` is a JSON value, or bytes: Uint8Array, ArrayBuffer, Blob.
   */
  send(type, payload, options = {}) {
    return this.#link.send(this.name, type, payload, options);
  }
  /** Who is in the room: at most 1,000 names, and how many there are. */
  members(options = {}) {
    return this.#ask("members", {}, options);
  }
  /** What the room keeps: publications after `since`, oldest first, or the last ones. */
  async history({ since, limit, signal } = {}) {
    const history = await this.#ask("history", { since, limit }, { signal });
    const events = history.events.map((event) => this.#link.publication({ ...fromHistory({ ...event }), room: this.name }));
    return { ...history, events };
  }
  #ask(type, fields, options) {
    return this.#link.call((ticket) => ({ ask: { ticket, message: { type, room: this.name, ...fields } } }), options);
  }
  /**
   * The messages from now on, until the room is left or the client is closed. Whoever lets more than `limit` wait unread
   * gets the error `overflow` instead of a stream with a hole in it.
   */
  messages({ limit = UNREAD, signal } = {}) {
    const unread = [];
    let ended = signal?.aborted ?? false;
    let error = signal?.reason;
    let wake = () => {
    };
    const end = (why) => {
      ended = true;
      error = why;
      for (const off of offs) {
        off();
      }
      wake();
    };
    const aborted = () => end(signal?.reason);
    const offs = [
      this.on("message", (message) => {
        if (unread.push(message) > limit) {
          end(new SwitchboardError("overflow", `more than ${limit} messages were not read`));
        }
        wake();
      }),
      this.on("left", () => end()),
      this.#link.onEnd(() => end()),
      () => signal?.removeEventListener("abort", aborted)
    ];
    signal?.addEventListener("abort", aborted);
    return (async function* () {
      try {
        for (; ; ) {
          for (let next = unread.shift(); next; next = unread.shift()) {
            yield next;
          }
          if (ended) {
            break;
          }
          await new Promise((resolve) => wake = resolve);
        }
        if (error !== void 0) {
          throw error;
        }
      } finally {
        end();
      }
    })();
  }
  [Symbol.asyncIterator]() {
    return this.messages();
  }
};

// src/client.ts
var LONGEST_TIMER_MS = 2 ** 31 - 1;
var NO_CODE = [1005, 1006, 1015];
var now = () => Math.floor(performance.now());
var random = () => crypto.getRandomValues(new Uint32Array(2));
var Client = class {
  #url;
  #user;
  #token;
  #WebSocket;
  #machine;
  #prefix;
  #events = new Listeners((error) => this.#report(error));
  #handlers = /* @__PURE__ */ new Map();
  #rooms = /* @__PURE__ */ new Map();
  #pending = /* @__PURE__ */ new Map();
  #pings = /* @__PURE__ */ new Map();
  /** Asked for a token: an answer to an earlier question is worth nothing. */
  #asked = 0;
  #ticket = 0;
  #state = "idle";
  #greeting;
  #socket;
  #queue = [];
  #performing = false;
  #reporting = false;
  #timer;
  #timerAt = Infinity;
  #stopListening;
  constructor(url, { token, user, WebSocket, ...config } = {}) {
    const constructor = WebSocket ?? globalThis.WebSocket;
    if (!constructor) {
      throw new SwitchboardError("no_websocket", "there is no WebSocket here; pass one as an option");
    }
    const address = new URL(url, globalThis.location?.href);
    address.protocol = address.protocol.replace("http", "ws");
    if (user !== void 0) {
      address.searchParams.set("user", user);
    }
    this.#url = address.href;
    this.#user = user;
    this.#token = token;
    this.#WebSocket = constructor;
    this.#prefix = Array.from(random(), (part) => part.toString(36)).join("");
    this.#machine = new Machine({ ...config, ask_token: typeof token === "function", seed: random()[0], id_prefix: this.#prefix });
  }
  get state() {
    return this.#state;
  }
  /** The name that the server knows this client by. */
  get user() {
    return this.#greeting?.user ?? this.#user;
  }
  /** What the server said when the last connection was opened. */
  get greeting() {
    return this.#greeting;
  }
  /** Connects, and stays connected until `close`, or until the server says not to come back. While waiting to retry: retries now. */
  connect() {
    this.#feed({ connect: {} });
  }
  /** Ends everything: what is unanswered fails with `stopped`, and the rooms are forgotten. */
  close() {
    this.#feed({ stop: {} });
  }
  /** Gives a function that takes the listener off again. */
  on(name, listener) {
    return this.#events.add(name, listener);
  }
  room(name) {
    return this.#at(name).room;
  }
  /** To every connection of a user. Survives reconnects as `room.send` does; bytes are allowed. */
  async direct(user, payload, { signal } = {}) {
    await this.#sendAny(payload, { to: user, type: "direct" }, { signal }, (ticket, body) => ({ direct: { ticket, to: user, ...body } }));
  }
  /** Asks the application's handler for `method`, once: if the connection is lost meanwhile, that is an error. */
  async request(method, payload, { room, timeout, signal } = {}) {
    const fields = { type: method, ...room !== void 0 && { room }, ...timeout !== void 0 && { timeout_ms: timeout } };
    const answer = await this.#sendAny(payload, fields, { signal }, (ticket, body) => ({ request: { ticket, ...fields, ...body } }));
    return answer.payload;
  }
  /** Answers the server's requests for `method`: with what `handler` returns, or with what it throws as an error. */
  onRequest(method, handler) {
    this.#handlers.set(method, handler);
    return () => {
      if (this.#handlers.get(method) === handler) {
        this.#handlers.delete(method);
      }
    };
  }
  /** How long the server takes to answer, in milliseconds. */
  async ping({ signal } = {}) {
    signal?.throwIfAborted();
    if (this.#state !== "open") {
      throw disconnected();
    }
    let timestamp = Date.now();
    while (this.#pings.has(timestamp)) {
      timestamp += 1;
    }
    const start = performance.now();
    await new Promise((resolve, reject) => {
      const done = (error) => {
        this.#pings.delete(timestamp);
        signal?.removeEventListener("abort", abort);
        error === void 0 ? resolve() : reject(error);
      };
      const abort = () => done(signal?.reason);
      signal?.addEventListener("abort", abort);
      this.#pings.set(timestamp, done);
      this.#perform({ transmit: { type: "health_ping", timestamp } });
    });
    return performance.now() - start;
  }
  // ---- calls ----
  #link = {
    call: (event, options, done) => this.#call(event, options, done),
    send: (room, type, payload, { key, signal }) => {
      const fields = { room, type, ...key !== void 0 && { key } };
      return this.#sendAny(payload, fields, { signal }, (ticket, body) => ({ send: { ticket, ...fields, ...body } }));
    },
    onEnd: (listener) => this.on("state", ({ state }) => (state === "idle" || state === "closed") && listener()),
    publication: (message) => this.#publication(message)
  };
  async #sendAny(payload, fields, options, event) {
    const body = snapshot(payload instanceof Blob ? await payload.arrayBuffer() : payload);
    if (body instanceof Uint8Array) {
      encode({ ...fields, payload: new Uint8Array() });
    }
    return this.#call((ticket) => event(ticket, body === void 0 ? {} : { payload: body }), options);
  }
  #call(event, { signal }, done) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      this.#ticket += 1;
      const ticket = this.#ticket;
      const abort = () => {
        this.#pending.delete(ticket);
        this.#feed({ cancel: { ticket } });
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#pending.set(ticket, (outcome) => {
        this.#pending.delete(ticket);
        signal?.removeEventListener("abort", abort);
        if ("error" in outcome) {
          reject(new SwitchboardError(outcome.error.code, outcome.error.message));
        } else {
          done?.(outcome.ok);
          resolve(outcome.ok);
        }
      });
      this.#feed(event(ticket));
    });
  }
  // ---- the machine ----
  #feed(event) {
    this.#perform(...this.#machine.handle(now(), event));
  }
  /** In order, also when a listener calls back into the client. */
  #perform(...actions) {
    this.#queue.push(...actions);
    if (this.#performing) {
      return;
    }
    this.#performing = true;
    for (let action = this.#queue.shift(); action; action = this.#queue.shift()) {
      const [[name, body]] = Object.entries(action);
      try {
        this.#does[name](body);
      } catch (error) {
        this.#report(error);
      }
    }
    this.#performing = false;
    this.#setTimer();
  }
  #does = {
    ask_token: () => {
      this.#asked += 1;
      const asked = this.#asked;
      const answer = (event) => asked === this.#asked && this.#feed(event);
      new Promise((resolve) => resolve(this.#token())).then(
        (token) => answer({ token: { token } }),
        (error) => {
          this.#report(error);
          answer({ token: { error: String(error) } });
        }
      );
    },
    dial: (dial) => this.#dial(dial),
    transmit: (message) => this.#socket?.send(encode(message)),
    drop: ({ code }) => this.#forgetSocket()?.close(code),
    state: (change) => {
      this.#state = change.state;
      if (change.state !== "open") {
        this.#disconnected();
      }
      this.#watchWakes(change.state !== "idle" && change.state !== "closed");
      this.#events.emit("state", change);
    },
    settled: ({ ticket, ...outcome }) => this.#pending.get(ticket)?.(outcome),
    deliver: (message) => this.#deliver(message),
    room: ({ room, ...news }) => {
      const { seat } = this.#at(room);
      if ("joined" in news) {
        seat.enter(news.joined);
      } else {
        seat.exit(news.left);
      }
    },
    requested: (request) => void this.#requested(request)
  };
  #setTimer() {
    const deadline = this.#machine.nextDeadline() ?? Infinity;
    if (deadline < this.#timerAt || deadline === Infinity) {
      clearTimeout(this.#timer);
      this.#timerAt = deadline;
      if (deadline !== Infinity) {
        const wait = Math.min(LONGEST_TIMER_MS, Math.max(0, deadline - performance.now()));
        this.#timer = setTimeout(() => {
          this.#timerAt = Infinity;
          this.#feed({ tick: {} });
        }, wait);
      }
    }
  }
  // ---- the socket ----
  #dial({ token, session }) {
    const url = new URL(this.#url);
    if (session !== void 0) {
      url.searchParams.set("session", session);
    }
    const bearer = token ?? (typeof this.#token === "string" ? this.#token : void 0);
    let socket;
    try {
      socket = new this.#WebSocket(url.href, ["switchboard", ...bearer === void 0 ? [] : [`bearer.${bearer}`]]);
    } catch (error) {
      this.#feed({ ended: { code: bearer === void 0 ? 4003 : 4001, reason: String(error) } });
      return;
    }
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#feed({ opened: {} });
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onclose = ({ code, reason }) => {
      this.#forgetSocket();
      this.#feed({ ended: NO_CODE.includes(code) ? {} : { code, ...reason && { reason } } });
    };
    socket.onerror = () => {
    };
    this.#socket = socket;
  }
  /** What the old socket still says is not heard. */
  #forgetSocket() {
    const socket = this.#socket;
    this.#socket = void 0;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
    }
    return socket;
  }
  #received(data) {
    let message;
    try {
      message = decode(data);
    } catch (error) {
      this.#feed({ alive: {} });
      this.#report(new SwitchboardError("unreadable", `a message could not be read: ${error}`));
      return;
    }
    if (message.type === "connected") {
      this.#greeting = message;
    } else if (message.type === "health_pong") {
      this.#pings.get(message["timestamp"])?.();
    }
    this.#feed({ received: message });
    if (message.type === "draining") {
      this.#events.emit("draining", message);
    }
  }
  #disconnected() {
    for (const { seat } of this.#rooms.values()) {
      seat.joined = false;
    }
    for (const done of this.#pings.values()) {
      done(disconnected());
    }
  }
  /** A timer may sleep while the device does; these tell that it is awake, or that there is a network again. */
  #watchWakes(watch) {
    if (watch === (this.#stopListening !== void 0) || typeof addEventListener !== "function") {
      return;
    }
    this.#stopListening?.abort();
    this.#stopListening = void 0;
    if (watch) {
      this.#stopListening = new AbortController();
      const { signal } = this.#stopListening;
      const wake = () => this.#feed({ wake: {} });
      addEventListener("online", wake, { signal });
      addEventListener("pageshow", wake, { signal });
      globalThis.document?.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake(), { signal });
    }
  }
  // ---- the application ----
  #at(name) {
    let at = this.#rooms.get(name);
    if (!at) {
      const seat = new Seat((error) => this.#report(error));
      at = { room: new Room(name, this.#link, seat), seat };
      this.#rooms.set(name, at);
    }
    return at;
  }
  #deliver(message) {
    const { type, room } = message;
    if (type === "direct") {
      this.#events.emit("direct", message);
    } else if (room !== void 0) {
      const { events } = this.#at(room).seat;
      if (type === "member_joined" || type === "member_left" || type === "gap" || type === "refresh") {
        events.emit(type, message);
      } else {
        events.emit("message", this.#publication(message));
      }
    }
  }
  #publication(message) {
    const { from, id } = message;
    const own = from !== void 0 && from === this.user && id?.startsWith(`${this.#prefix}-`) === true;
    return { ...message, own };
  }
  async #requested({ id, method, payload }) {
    try {
      const handler = this.#handlers.get(method);
      if (!handler) {
        throw new SwitchboardError("unknown_method", `this client does not answer ${method}`);
      }
      const answer = snapshot(await handler(payload));
      this.#feed({ reply: { id, payload: answer ?? null } });
    } catch (error) {
      const code = error instanceof SwitchboardError ? error.code : "internal";
      if (code === "internal") {
        this.#report(error);
      }
      this.#feed({ reply: { id, error: { code, message: error instanceof Error ? error.message : String(error) } } });
    }
  }
  #report(error) {
    const again = this.#reporting;
    this.#reporting = true;
    if (again || !this.#events.emit("error", error)) {
      console.error(error);
    }
    this.#reporting = again;
  }
};
function disconnected() {
  return new SwitchboardError("disconnected", "there is no connection");
}
export {
  Client,
  Room,
  SwitchboardError
};
