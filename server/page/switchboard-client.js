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
function createListeners(report) {
  const all = /* @__PURE__ */ new Set();
  return {
    add(name, listener) {
      const entry = { name, listener };
      all.add(entry);
      return () => void all.delete(entry);
    },
    emit(name, value) {
      const heard = [...all].filter((entry) => entry.name === name);
      for (const { listener } of heard) {
        try {
          listener(value);
        } catch (error) {
          report(error, name);
        }
      }
      return heard.length > 0;
    }
  };
}

// src/backoff.ts
function createDraw(seed) {
  return (ceiling) => {
    seed = seed + 1831565813 | 0;
    let t = Math.imul(seed ^ seed >>> 15, seed | 1);
    t ^= t + Math.imul(t ^ t >>> 7, t | 61);
    return Math.floor(((t ^ t >>> 14) >>> 0) * (ceiling + 1) / 2 ** 32);
  };
}

// src/pending.ts
var isWaiting = ({ sent }) => !sent;
var isInFlight = ({ sent, answer }) => sent && answer !== "left";
var isLeave = ({ answer }) => answer === "left";

// src/position.ts
var PATTERN = /^([0-9a-f]{16}):(\d+)$/;
var isPosition = (text) => typeof text === "string" && PATTERN.test(text);
function distance(from, to) {
  const [, epoch, offset] = PATTERN.exec(from ?? "") ?? [];
  const [, otherEpoch, otherOffset] = PATTERN.exec(to) ?? [];
  return epoch === otherEpoch ? BigInt(otherOffset) - BigInt(offset) : 2n;
}

// src/rooms.ts
var RESUME = "resume";
function open(rooms, name) {
  let room = rooms.get(name);
  if (!room) {
    rooms.set(name, room = { room: name, tickets: [] });
  }
  return room;
}
var place = ({ room, from }) => ({ room, last_event_id: from });
function advance(room, position) {
  if (distance(room.position, position) <= 0n) {
    return false;
  }
  room.position = position;
  if (distance(room.from, position) > 0n) {
    room.from = position;
  }
  return true;
}

// src/wire.ts
var VERSION = 1;
var PUBLISH = 0;
var DIRECT = 1;
var KINDS = { 128: "", 129: "direct", 130: "ack" };
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
  const names = (to === void 0 ? [room, type, id] : [to, "", id]).map((name) => encoder.encode(name ?? ""));
  const head = [VERSION, to === void 0 ? PUBLISH : DIRECT, ...names.map(({ length }) => length), 0, 0, 0];
  if (Math.max(...head) > MAX_NAME_BYTES) {
    throw new RangeError("long name");
  }
  const parts = [head, ...names, payload];
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
    throw new SyntaxError("bad message");
  }
  return message;
}
function decodeFrame(bytes) {
  const [version, kind, ...lengths] = bytes.subarray(0, 6);
  let at = RECEIVED_HEADER;
  const [room, name, id, from] = lengths.map((length) => decoder.decode(bytes.subarray(at, at += length)) || void 0);
  const type = version === VERSION && at <= bytes.length ? KINDS[kind] : void 0;
  const head = new DataView(bytes.buffer);
  const epoch = head.getBigUint64(8).toString(16).padStart(16, "0");
  return {
    type: type === "" ? name ?? "binary" : type,
    id,
    room,
    from,
    timestamp: Number(head.getBigUint64(24)),
    payload: bytes.subarray(at),
    ...type === "" && { event_id: `${epoch}:${head.getBigUint64(16)}` }
  };
}
function fromHistory({ binary, ...event }) {
  return typeof binary === "string" ? { ...event, payload: Uint8Array.from(atob(binary), (char) => char.charCodeAt(0)) } : event;
}
function snapshot(payload) {
  if (payload instanceof ArrayBuffer || ArrayBuffer.isView(payload)) {
    const { buffer, byteOffset, byteLength } = payload;
    return new Uint8Array(buffer ?? payload, byteOffset, byteLength).slice();
  }
  return JSON.parse(JSON.stringify({ payload })).payload;
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
  max_rooms: 1e3,
  seed: 0
};
var FINAL = /^(100[02379]|400[34]|40[0345]|426)$/;
var UNAUTHORIZED = /^40?01$/;
var RESERVED = /^(join|resume|leave|direct|members|history|reply|health_ping|health_pong|connected|joined|left|member_joined|member_left|ack|error|gap|refresh|request|draining)$/;
var PONG_WITHIN_MS = 5e3;
var RATE_LIMIT_PAUSE_MS = 1e3;
var ORDER = {
  drop: 0,
  state: 1,
  deliver: 2,
  requested: 2,
  room: 3,
  settled: 4,
  ask_token: 5,
  dial: 5,
  transmit: 6
};
var rank = (action) => ORDER[Object.keys(action)[0]];
var ticketOf = ({ settled }) => settled?.ticket ?? 0;
function createMachine(settings = {}) {
  const config = { ...DEFAULTS, ...settings };
  const draw = createDraw(config.seed);
  const rooms = /* @__PURE__ */ new Map();
  const outgoing = /* @__PURE__ */ new Map();
  let actions;
  let now = 0;
  let state = "idle";
  let token;
  let session;
  let failures = 0;
  let wasRefused = false;
  let dialled = false;
  let hasOpened = false;
  let until = Infinity;
  let wait;
  let openedAt;
  let staleAfter;
  let staleAt = Infinity;
  let pongDue = Infinity;
  let limitedUntil = Infinity;
  let maxBytes = Infinity;
  let ids = 0;
  const emit = (action) => void actions.push(action);
  const transmit = (message) => emit({ transmit: message });
  const settle = (ticket, outcome) => emit({ settled: { ticket, ...outcome } });
  const fail = (ticket, code) => settle(ticket, { error: { code, message: code.replaceAll("_", " ") } });
  function enter(next, cause) {
    if (state !== next) {
      state = next;
      emit({ state: { state, ...cause } });
    }
  }
  function dial() {
    dialled = true;
    hasOpened = false;
    until = now + config.connect_timeout_ms;
    emit({ dial: { token, session } });
  }
  function askToken() {
    until = now + config.connect_timeout_ms;
    token = void 0;
    emit({ ask_token: {} });
  }
  function retry() {
    enter("connecting");
    if (config.ask_token && !token) {
      askToken();
    } else {
      dial();
    }
  }
  function drop(code) {
    if (dialled) {
      emit({ drop: { code } });
    }
  }
  function forgetConnection() {
    if (state === "open" && now - openedAt >= config.stable_after_ms) {
      failures = 0;
    }
    if (dialled && !hasOpened) {
      token = void 0;
    }
    dialled = false;
    until = staleAt = pongDue = limitedUntil = Infinity;
    for (const room of rooms.values()) {
      room.entered = false;
      room.asked = void 0;
    }
    for (const pending of take(({ sent, lasting }) => sent && !lasting)) {
      if (isLeave(pending)) {
        settle(pending.ticket, { ok: {} });
      } else {
        fail(pending.ticket, "disconnected");
      }
    }
    for (const pending of list(isInFlight)) {
      pending.repeated = true;
      pending.limited = false;
    }
  }
  function pause(cause) {
    forgetConnection();
    const retry_in_ms = wait ?? draw(Math.min(config.max_backoff_ms, config.min_backoff_ms * 2 ** failures++));
    wait = void 0;
    until = now + retry_in_ms;
    state = "waiting";
    emit({ state: { state, retry_in_ms, ...cause } });
  }
  function lose() {
    drop();
    pause();
  }
  function over(status, cause) {
    const isRefused = UNAUTHORIZED.test(`${status}`);
    if (isRefused && config.ask_token && !wasRefused) {
      forgetConnection();
      wasRefused = true;
      enter("connecting", cause);
      askToken();
    } else if (isRefused || FINAL.test(`${status}`)) {
      end("closed", "closed", cause);
    } else {
      pause(cause);
    }
  }
  function end(next, code, cause) {
    for (const { ticket } of take()) {
      fail(ticket, code);
    }
    for (const [name, { tickets, known }] of rooms) {
      for (const ticket of tickets.splice(0)) {
        fail(ticket, code);
      }
      if (!known) {
        rooms.delete(name);
      }
    }
    forgetConnection();
    wait = token = void 0;
    enter(next, cause);
  }
  function greeted(greeting) {
    session = greeting.session ?? session;
    staleAfter = greeting.heartbeat?.stale_after_ms ?? config.stale_after_ms;
    maxBytes = greeting.limits?.max_message_bytes ?? Infinity;
    hasOpened = true;
    openedAt = now;
    until = Infinity;
    wait = void 0;
    wasRefused = false;
    enter("open");
    heard();
    take(isTooBig).forEach(failTooBig);
    for (const { room: name, position } of greeting.rooms ?? []) {
      const room = open(rooms, name);
      if ((room.from ?? position) === position) {
        entered(room, { position });
      }
    }
    resume();
    list(isInFlight).forEach(transmitPending);
    pump();
  }
  function heard() {
    if (state === "open") {
      staleAt = now + (staleAfter || Infinity);
      pongDue = Infinity;
    }
  }
  function resume() {
    const envelope = sizeOf({ type: RESUME, rooms: [] });
    let size = Infinity;
    let places = [];
    for (const room of rooms.values()) {
      if (!room.entered) {
        room.asked = RESUME;
        const one = place(room);
        const more = sizeOf(one) + 1;
        size += more;
        if (size > maxBytes || size === Infinity) {
          size = envelope + more - 1;
          transmit({ type: RESUME, rooms: places = [] });
        }
        places.push(one);
      }
    }
  }
  const isFull = () => rooms.size >= config.max_rooms;
  function entered(room, { position, recovered }) {
    room.entered = room.known = true;
    room.asked = void 0;
    if (recovered ? distance(room.position, position) > 0n : recovered !== false || !room.position) {
      room.position = position;
    }
    room.from = room.position;
    const joined = { position, recovered };
    if (room.tickets.length > 0) {
      for (const ticket of room.tickets.splice(0)) {
        settle(ticket, { ok: joined });
      }
    } else {
      emit({ room: { room: room.room, joined } });
    }
  }
  function shutOut({ room, tickets }, left) {
    rooms.delete(room);
    if (tickets.length > 0) {
      for (const ticket of tickets) {
        settle(ticket, { error: left });
      }
    } else {
      emit({ room: { room, left } });
    }
  }
  const list = (which = () => true) => [...outgoing.values()].filter(which);
  function take(which) {
    const taken = list(which);
    for (const { message } of taken) {
      outgoing.delete(message.id);
    }
    return taken;
  }
  const isTooBig = ({ message }) => maxBytes < Infinity && sizeOf(message) > maxBytes;
  const failTooBig = ({ ticket }) => fail(ticket, "too_big");
  const isFree = () => state === "open" && limitedUntil === Infinity && list(isInFlight).length < config.max_in_flight;
  const newId = (count) => `${config.id_prefix}-${count}`;
  function transmitPending(pending) {
    pending.sent = true;
    pending.limited = false;
    transmit(pending.message);
  }
  function pump() {
    for (const pending of list(isWaiting)) {
      if (isFree()) {
        transmitPending(pending);
      }
    }
  }
  function make(ticket, fields, answer, timeout = Infinity, lasting) {
    return { ticket, message: { ...fields, id: newId(ids + 1) }, answer, due: now + timeout, lasting };
  }
  function keep(pending) {
    ids += 1;
    outgoing.set(pending.message.id, pending);
  }
  function enqueue(pending) {
    if (isTooBig(pending)) {
      failTooBig(pending);
    } else if (!isFree() && list(isWaiting).length >= config.buffer) {
      fail(pending.ticket, "buffer_full");
    } else {
      keep(pending);
      pump();
    }
  }
  function publish(ticket, message, timeout) {
    if (RESERVED.test(message.type)) {
      fail(ticket, "reserved_type");
    } else {
      enqueue(make(ticket, message, "ack", timeout, timeout === void 0));
    }
  }
  function received(message) {
    const { type, id, room: name, timestamp, retry_after_ms } = message;
    if (state !== "open") {
      if (dialled && type === "connected") {
        greeted(message);
      }
      return;
    }
    heard();
    const room = rooms.get(name);
    const position = message["position"] ?? message["event_id"];
    switch (type) {
      case "health_ping":
        if (typeof timestamp === "number") {
          transmit({ type: "health_pong", timestamp });
        }
        return;
      case "draining":
        if (typeof retry_after_ms === "number") {
          wait = retry_after_ms;
        }
        return;
      case "request":
        if (id !== void 0) {
          emit({ requested: { id, method: message["method"], payload: message["payload"] } });
        }
        return;
      case "joined":
      case "left":
      case "ack":
      case "error":
      case "members":
      case "history":
        return answered(message, room);
      case "direct":
        return emit({ deliver: message });
      case "member_joined":
      case "member_left":
        break;
      case "refresh":
        if (room?.entered && isPosition(position)) {
          room.position = room.from = position;
          break;
        }
        return;
      default:
        if (!room?.entered || !isPosition(position) || !advance(room, position) && type !== "gap") {
          return;
        }
    }
    if (room?.entered) {
      emit({ deliver: message });
    }
  }
  function answered(message, room) {
    const { type, id, room: _, code, message: text, ...result } = message;
    const { position, recovered, event_id } = result;
    const problem = type === "error" ? { code, message: text } : void 0;
    if (problem && typeof code !== "string") {
      return;
    }
    const asking = [...rooms.values()].find(({ asked }) => id !== void 0 && asked === id);
    if (type === "joined" && isPosition(position) && (id === void 0 || asking)) {
      const isLeaving = list((one) => isLeave(one) && one.message.room === message.room).length > 0;
      if (asking || !isLeaving && (room ? !room.entered : !isFull())) {
        entered(asking ?? open(rooms, message.room), { position, recovered });
      }
    } else if (asking && problem) {
      shutOut(asking, problem);
    } else if (id === void 0 && room && (type === "left" && room.entered || problem && room.asked === RESUME)) {
      shutOut(room, problem ?? {});
    }
    const pending = outgoing.get(id);
    if (!pending?.sent || !problem && pending.answer !== type) {
      return;
    }
    if (code === "rate_limited" && pending.lasting) {
      pending.limited = true;
      limitedUntil = Math.min(limitedUntil, now + RATE_LIMIT_PAUSE_MS);
      return;
    }
    outgoing.delete(id);
    const own = rooms.get(pending.message.room);
    if (own && isPosition(event_id) && !pending.repeated && distance(own.from, event_id) === 1n) {
      own.from = event_id;
    }
    settle(pending.ticket, problem ? { error: problem } : { ok: isLeave(pending) ? {} : result });
    pump();
  }
  const on = {
    connect() {
      if (state === "idle" || state === "closed") {
        failures = 0;
        wasRefused = false;
        retry();
      } else if (state === "waiting") {
        retry();
      }
    },
    stop() {
      drop(1e3);
      end(state === "closed" ? state : "idle", "stopped");
      rooms.clear();
      session = void 0;
    },
    token(answer) {
      if (state === "connecting" && !dialled) {
        if ("error" in answer) {
          pause({ reason: answer.error });
        } else {
          token = answer.token;
          dial();
        }
      }
    },
    opened() {
      hasOpened = dialled;
    },
    alive: heard,
    received,
    ended(cause) {
      if (dialled) {
        over(cause.code, cause);
      }
    },
    refused({ status, code, retry_after_ms }) {
      if (dialled && state !== "open") {
        wait = retry_after_ms || wait;
        over(code === void 0 ? void 0 : status, { code: status, reason: code });
      }
    },
    join({ ticket, room: name, since }) {
      const wanted = rooms.get(name);
      if (wanted?.entered) {
        return settle(ticket, { ok: { position: wanted.position } });
      }
      let calls = list(isLeave).length;
      rooms.forEach(({ tickets }) => calls += tickets.length);
      if (calls >= config.max_rooms || !wanted && isFull()) {
        return fail(ticket, "too_many_rooms");
      }
      const room = open(rooms, name);
      room.position ??= since;
      room.from ??= since;
      room.tickets.push(ticket);
      if (state === "open" && !room.asked) {
        ids += 1;
        room.asked = newId(ids);
        transmit({ type: "join", id: room.asked, ...place(room) });
      }
    },
    leave({ ticket, room: name }) {
      if (list(isLeave).length >= config.max_rooms) {
        return fail(ticket, "too_many_rooms");
      }
      const room = rooms.get(name);
      rooms.delete(name);
      for (const waiting of room?.tickets ?? []) {
        fail(waiting, "left");
      }
      if (room?.entered || room?.asked) {
        const pending = make(ticket, { type: "leave", room: name }, "left");
        keep(pending);
        transmitPending(pending);
      } else {
        settle(ticket, { ok: {} });
      }
    },
    send: ({ ticket, ...message }) => publish(ticket, message),
    direct: ({ ticket, ...message }) => enqueue(make(ticket, { type: "direct", ...message }, "ack", Infinity, true)),
    request: ({ ticket, timeout_ms = config.request_timeout_ms, ...message }) => publish(ticket, message, timeout_ms),
    ask: ({ ticket, message, timeout_ms = config.request_timeout_ms }) => enqueue(make(ticket, message, message.type, timeout_ms)),
    cancel({ ticket }) {
      for (const [name, room] of rooms) {
        const { tickets, known, asked } = room;
        room.tickets = tickets.filter((one) => one !== ticket);
        if (room.tickets.length < tickets.length && !room.tickets.length && !known && !asked) {
          rooms.delete(name);
        }
      }
      take((pending) => pending.ticket === ticket);
      pump();
    },
    reply(reply) {
      if (state === "open") {
        const message = { type: "reply", ...reply };
        const isTooBig2 = sizeOf(message) > maxBytes;
        transmit(isTooBig2 ? { type: "reply", id: reply.id, error: { code: "too_big", message: "the answer is too big" } } : message);
      }
    },
    wake() {
      if (state === "waiting") {
        retry();
      } else if (state === "open" && pongDue === Infinity) {
        pongDue = now + PONG_WITHIN_MS;
        transmit({ type: "health_ping", timestamp: now });
      }
    },
    tick() {
      for (const { ticket } of take(({ due }) => due <= now)) {
        fail(ticket, "timeout");
      }
      if (state === "waiting" && now >= until) {
        retry();
      } else if (now >= Math.min(staleAt, pongDue, until)) {
        lose();
      } else if (now >= limitedUntil) {
        limitedUntil = Infinity;
        list(({ limited }) => limited).forEach(transmitPending);
      }
      pump();
    }
  };
  return {
    handle(time, event) {
      now = Math.max(now, time);
      actions = [];
      const [[name, body]] = Object.entries(event);
      const { ticket } = body;
      if (state === "closed" && ticket !== void 0) {
        if (name !== "cancel") {
          fail(ticket, "closed");
        }
      } else {
        on[name](body);
      }
      return actions.sort((a, b) => rank(a) - rank(b) || ticketOf(a) - ticketOf(b));
    },
    nextDeadline() {
      return Math.min(until, staleAt, pongDue, limitedUntil, ...list().map(({ due }) => due));
    }
  };
}

// src/refusal.ts
var LONGEST_BODY = 16384;
function readRefusal(socket, told) {
  socket.on?.("unexpected-response", (_, response) => {
    let body = "";
    const done = () => told({ status: response.statusCode, code: errorCode(body), retry_after_ms: Number(response.headers["retry-after"]) * 1e3 || void 0 });
    response.setEncoding("utf8");
    response.on("data", (text) => {
      body += text;
      if (body.length > LONGEST_BODY) {
        body = "";
        done();
      }
    });
    response.on("end", done);
    response.on("error", done);
  });
}
function errorCode(body) {
  try {
    const { code } = JSON.parse(body).error;
    return typeof code === "string" ? code : void 0;
  } catch {
    return void 0;
  }
}

// src/room.ts
var Room = class {
  name;
  #link;
  #events;
  #joined = false;
  /** How often it was entered. */
  #entries = 0;
  /** A use for each `join` that was not given back, oldest first. */
  #uses = /* @__PURE__ */ new Set();
  /** @internal */
  constructor(name, link) {
    this.name = name;
    this.#link = link;
    this.#events = createListeners(link.report);
  }
  /** Whether the connection is in the room now. */
  get joined() {
    return this.#joined;
  }
  /** Returns a function that removes the listener. */
  on(name, listener) {
    if (name !== "joined") {
      return this.#events.add(name, listener);
    }
    let heardOf = 0;
    return this.#events.add(name, (entered) => {
      if (heardOf < this.#entries) {
        heardOf = this.#entries;
        listener(entered);
      }
    });
  }
  /**
   * Enters the room, and enters it again after each reconnect. Each call is a use of the room, which
   * `leave` gives back; a call that rejects, or is aborted, is none.
   */
  join({ since, signal } = {}) {
    const use = {};
    if (!signal?.aborted) {
      this.#uses.add(use);
    }
    return this.#link.call("join", { room: this.name, since }, {
      signal,
      read: (entered) => {
        this.tell("joined", entered);
        return entered;
      },
      failed: (isAborted) => {
        if (this.#uses.delete(use) && isAborted && this.#uses.size === 0) {
          void this.leave();
        }
      }
    });
  }
  /** Gives back one `join`. The room is left with the last one, or if there was none. */
  leave({ signal } = {}) {
    const [oldest] = this.#uses;
    if (oldest) {
      this.#uses.delete(oldest);
    }
    if (this.#uses.size > 0) {
      return Promise.resolve();
    }
    return this.#link.call("leave", { room: this.name }, { signal, read: () => this.tell("left", {}) });
  }
  /**
   * Publishes a message, or passes it to the application's handler for this type. Settles when the
   * server has answered; until then it survives reconnects, and is published once. `payload` is a
   * JSON value, or bytes: Uint8Array, ArrayBuffer, Blob.
   */
  send(type, payload, { key, signal } = {}) {
    return this.#link.publish("send", { room: this.name, type, key }, payload, { signal });
  }
  /** Returns who is in the room: at most 1,000 names, and the total. */
  members({ signal } = {}) {
    return this.#link.call("ask", { message: { type: "members", room: this.name } }, { signal });
  }
  /**
   * Returns the publications that the room keeps: those after `since`, oldest first, or the last
   * ones.
   */
  history({ since, limit, signal } = {}) {
    const room = this.name;
    const read = (history) => ({
      ...history,
      events: history.events.map((event) => this.#link.publication({ ...fromHistory(event), room }))
    });
    return this.#link.call("ask", { message: { type: "history", room, since, limit } }, { signal, read });
  }
  /**
   * The messages from now on, until the room is left or the client is closed. If more than `limit`
   * wait unread, the iteration fails with `overflow` instead of leaving a hole in the stream.
   */
  messages({ limit = 1e3, signal } = {}) {
    const unread = [];
    let ended;
    let wake;
    const end = (error) => {
      ended ??= { error };
      offs.forEach((off) => off());
      wake?.();
    };
    const abort = () => end(signal?.reason);
    const offs = [
      this.on("message", (message) => {
        if (unread.push(message) > limit) {
          end(new SwitchboardError("overflow", "overflow"));
        }
        wake?.();
      }),
      this.on("left", () => end()),
      this.#link.onEnd(end),
      () => signal?.removeEventListener("abort", abort)
    ];
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) {
      abort();
    }
    return (async function* () {
      try {
        while (unread.length || !ended) {
          if (unread.length) {
            yield unread.shift();
          } else {
            await new Promise((resolve) => wake = resolve);
          }
        }
        if (ended.error) {
          throw ended.error;
        }
      } finally {
        end();
      }
    })();
  }
  [Symbol.asyncIterator]() {
    return this.messages();
  }
  /** @internal */
  tell(name, value) {
    if (name === "joined" && !this.#joined) {
      this.#entries += 1;
    }
    if (name === "joined" || name === "left") {
      this.#joined = name === "joined";
    }
    this.#events.emit(name, value);
  }
  /** @internal */
  disconnected() {
    this.#joined = false;
  }
  /** @internal The server took the client out, or the client was closed: nobody uses the room. */
  forgotten() {
    this.#uses.clear();
  }
};

// src/client.ts
var LONGEST_TIMER_MS = 1e9;
var READ_FIRST_MS = 1e3;
var NEVER_OPENED_AFTER = 3;
var NEVER_OPENED = "never opened: origin, token or address?";
var ABNORMAL = 1006;
var WAKES = ["online", "pageshow", "visibilitychange"];
function harmless(call) {
  call.catch(() => {
  });
  return call;
}
var random = () => crypto.getRandomValues(new Uint32Array(2));
var Client = class {
  #url;
  #token;
  #WebSocket;
  #machine;
  #prefix = random().join("-");
  #events = createListeners((error, name) => {
    if (name === "error") {
      console.error(error);
    } else {
      this.#link.report(error);
    }
  });
  #handlers = /* @__PURE__ */ new Map();
  #rooms = /* @__PURE__ */ new Map();
  #pending = /* @__PURE__ */ new Map();
  /** Pending work; the first is in progress. */
  #queue = [];
  #tickets = 0;
  #tokensAsked = 0;
  #state = "idle";
  #greeting;
  #socket;
  #timer;
  /** Whether the timer is one that lets what has arrived be read first. */
  #isReading = false;
  /** Attempts since `connect`, until one opens. */
  #unopened = 0;
  /** `url` may be relative to the page, and may begin with http as well as with ws. */
  constructor(url, { token, user, WebSocket = globalThis.WebSocket, ...config } = {}) {
    if (!WebSocket) {
      throw new SwitchboardError("no_websocket", "no WebSocket");
    }
    this.#url = new URL(url, globalThis.location?.href);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    if (user) {
      this.#url.searchParams.set("user", user);
    }
    this.#token = token;
    this.#WebSocket = WebSocket;
    this.#machine = createMachine({ ...config, ask_token: typeof token === "function", seed: random()[0], id_prefix: this.#prefix });
  }
  get state() {
    return this.#state;
  }
  /** The server's last `connected` message. */
  get greeting() {
    return this.#greeting;
  }
  /** What the server has beyond the first version of the protocol, by the last `connected`. */
  get features() {
    return this.#greeting?.features ?? [];
  }
  /** Whether the server listed this word; do not use what it did not list. */
  supports(feature) {
    return this.features.includes(feature);
  }
  /**
   * Connects, and stays connected until `close`, or until the server says not to reconnect. While
   * waiting to retry: retries now.
   */
  connect() {
    this.#watch("addEventListener");
    if (this.#state === "idle" || this.#state === "closed") {
      this.#unopened = 0;
    }
    this.#feed({ connect: {} });
  }
  /**
   * Call this when the device woke up or the network changed: while waiting, it retries now; while
   * open, it checks whether the server is still there, which has 5 s to give a sign of life.
   * Browser events that mean this are handled already.
   */
  wake() {
    this.#feed({ wake: {} });
  }
  /** Ends everything: all that is unanswered fails with `stopped`, and the rooms are forgotten. */
  close() {
    this.#watch("removeEventListener");
    this.#feed({ stop: {} });
    for (const room of this.#rooms.values()) {
      room.forgotten();
    }
  }
  /** Returns a function that removes the listener. */
  on(name, listener) {
    return this.#events.add(name, listener);
  }
  room(name) {
    let room = this.#rooms.get(name);
    if (!room) {
      this.#rooms.set(name, room = new Room(name, this.#link));
    }
    return room;
  }
  /**
   * Sends to every connection of a user. Survives reconnects like `room.send`; bytes are allowed.
   */
  direct(user, payload, { signal } = {}) {
    return this.#link.publish("direct", { to: user }, payload, { signal, read: () => {
    } });
  }
  /**
   * Asks the application's handler for `method`, once: if the connection is lost before the answer,
   * that is an error.
   */
  request(method, payload, { room, timeout, signal } = {}) {
    const read = (answer) => answer.payload;
    return this.#link.publish("request", { type: method, room, timeout_ms: timeout }, payload, { signal, read });
  }
  /**
   * Answers the server's requests for `method` with what `handler` returns, or with the error it
   * throws.
   */
  onRequest(method, handler) {
    this.#handlers.set(method, handler);
    return () => void (this.#handlers.get(method) === handler && this.#handlers.delete(method));
  }
  // ---- calls ----
  #link = {
    call: (event, fields, { signal, read, failed }) => harmless(
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const ticket = ++this.#tickets;
        const forget = () => {
          this.#pending.delete(ticket);
          signal?.removeEventListener("abort", abort);
        };
        const abort = () => {
          forget();
          this.#feed({ cancel: { ticket } });
          reject(signal?.reason);
          failed?.(true);
        };
        signal?.addEventListener("abort", abort);
        this.#pending.set(ticket, (outcome) => {
          forget();
          if ("error" in outcome) {
            reject(new SwitchboardError(outcome.error.code, outcome.error.message));
            failed?.(false);
          } else {
            resolve(read ? read(outcome.ok) : outcome.ok);
          }
        });
        this.#feed({ [event]: { ticket, ...fields } });
      })
    ),
    publish: (event, fields, payload, how) => {
      if (payload instanceof Blob) {
        return harmless(payload.arrayBuffer().then((bytes) => this.#link.publish(event, fields, bytes, how)));
      }
      const message = { ...fields, payload: void 0 };
      try {
        message.payload = snapshot(payload);
        encode(message);
      } catch (error) {
        return Promise.reject(error);
      }
      return this.#link.call(event, message, how);
    },
    publication: (message) => {
      const { from, id } = message;
      const own = from === this.#greeting?.user && !!id?.startsWith(this.#prefix);
      return { ...message, own };
    },
    onEnd: (listener) => this.on("state", ({ state }) => (state === "idle" || state === "closed") && listener()),
    report: (error) => {
      if (!this.#events.emit("error", error)) {
        console.error(error);
      }
    }
  };
  // ---- the machine ----
  #feed(event) {
    const isBusy = this.#queue.length > 0;
    this.#queue.push(...this.#machine.handle(Math.floor(performance.now()), event));
    if (isBusy) {
      return;
    }
    for (; this.#queue[0]; this.#queue.shift()) {
      const [[name, body]] = Object.entries(this.#queue[0]);
      try {
        this.#perform[name](body);
      } catch (error) {
        this.#link.report(error);
      }
    }
    this.#setTimer();
  }
  #setTimer() {
    const deadline = this.#machine.nextDeadline();
    if (this.#isReading && deadline < Infinity) {
      return;
    }
    this.#isReading = false;
    clearTimeout(this.#timer);
    if (deadline < Infinity) {
      this.#timer = setTimeout(() => this.#due(deadline), Math.min(LONGEST_TIMER_MS, deadline - performance.now()));
    }
  }
  /**
   * A page that was frozen finds its timers due and messages unread, and the order in which it hears
   * of them is not known. What has arrived is read before the clock judges, so a timer that is late
   * waits again for as long as it was late, up to a bound.
   */
  #due(deadline) {
    this.#isReading = true;
    this.#timer = setTimeout(
      () => {
        this.#isReading = false;
        this.#feed({ tick: {} });
      },
      Math.min(READ_FIRST_MS, performance.now() - deadline)
    );
  }
  #perform = {
    ask_token: async () => {
      const asked = ++this.#tokensAsked;
      let answer;
      try {
        answer = { token: await this.#token() };
      } catch (error) {
        answer = { error: String(error) };
      }
      if (asked === this.#tokensAsked) {
        this.#feed({ token: answer });
      }
    },
    dial: ({ token = this.#token, session }) => {
      const url = new URL(this.#url);
      if (session) {
        url.searchParams.set("session", session);
      }
      const protocols = ["switchboard"];
      if (token) {
        protocols.push(`bearer.${token}`);
      }
      let socket;
      try {
        socket = new this.#WebSocket(url.href, protocols);
      } catch (error) {
        this.#feed({ ended: { code: token ? 4001 : 4003, reason: String(error) } });
        return;
      }
      this.#socket = socket;
      this.#unopened += 1;
      socket.onopen = () => {
        this.#unopened = -Infinity;
        this.#feed({ opened: {} });
      };
      readRefusal(socket, (refusal) => {
        if (socket === this.#socket) {
          this.#forgetSocket()?.close();
          this.#feed({ refused: refusal });
        }
      });
      socket.binaryType = "arraybuffer";
      socket.onmessage = ({ data }) => this.#received(data);
      socket.onclose = ({ code, reason }) => {
        this.#forgetSocket();
        this.#feed({ ended: { code, reason: reason || void 0 } });
      };
      socket.onerror = () => {
      };
    },
    transmit: (message) => this.#socket?.send(encode(message)),
    drop: ({ code }) => this.#forgetSocket()?.close(code),
    state: (change) => {
      const { state, code = ABNORMAL, reason } = change;
      this.#state = state;
      for (const room of this.#rooms.values()) {
        room.disconnected();
      }
      const isHidden = state === "waiting" && code === ABNORMAL && !reason;
      this.#events.emit("state", isHidden && this.#unopened >= NEVER_OPENED_AFTER ? { ...change, hint: NEVER_OPENED } : change);
    },
    settled: ({ ticket, ...outcome }) => this.#pending.get(ticket)?.(outcome),
    deliver: (message) => {
      const { type, room } = message;
      if (room === void 0) {
        this.#events.emit("direct", message);
      } else if (message["event_id"] === void 0) {
        this.room(room).tell(type, message);
      } else {
        this.room(room).tell("message", this.#link.publication(message));
      }
    },
    room: ({ room, ...news }) => {
      if ("left" in news) {
        this.room(room).forgotten();
      }
      const [[name, value]] = Object.entries(news);
      this.room(room).tell(name, value);
    },
    requested: async ({ id, method, payload }) => {
      try {
        const handler = this.#handlers.get(method);
        if (!handler) {
          throw new SwitchboardError("unknown_method", method);
        }
        this.#feed({ reply: { id, payload: snapshot(await handler(payload) ?? null) } });
      } catch (error) {
        const isMeant = error instanceof SwitchboardError;
        if (!isMeant) {
          this.#link.report(error);
        }
        this.#feed({ reply: { id, error: { code: isMeant ? error.code : "internal", message: String(error?.message) } } });
      }
    }
  };
  /** Detaches the old socket, whose further events are ignored. */
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
      this.#link.report(new SwitchboardError("unreadable", String(error)));
      return;
    }
    if (message.type === "connected") {
      this.#greeting = message;
    }
    this.#feed({ received: message });
    if (message.type === "draining" || message.type === "health_pong") {
      this.#events.emit(message.type, message);
    }
  }
  /**
   * A timer may sleep while the device does; these events report that it is awake, or that the
   * network is back.
   */
  #watch(method) {
    for (const name of WAKES) {
      globalThis[method]?.(name, this.#shown);
    }
  }
  #shown = () => {
    if (!globalThis.document?.hidden) {
      this.wake();
    }
  };
};
export {
  Client,
  Room,
  SwitchboardError
};
