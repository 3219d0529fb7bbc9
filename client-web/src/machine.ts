// What a client does between an application and a socket, without IO, clock or randomness of its
// own. docs/client-machine.md describes it; the Rust machine behaves the same.

import { createDraw } from "./backoff.js";
import { isInFlight, isLeave, isWaiting, type Pending } from "./pending.js";
import { distance, isPosition } from "./position.js";
import { advance, open, place, RESUME, type Room, type Rooms } from "./rooms.js";
import type { Action, Actions, Cause, Config, Entered, Event, Events, Message, Outcome, Problem, State } from "./vocabulary.js";
import { sizeOf } from "./wire.js";

export interface Machine {
  /** `now` is in milliseconds. */
  handle(now: number, event: Event): Action[];
  /** When `tick` is due; `Infinity` if nothing is pending. */
  nextDeadline(): number;
}

const DEFAULTS = {
  min_backoff_ms: 1_000,
  max_backoff_ms: 30_000,
  stable_after_ms: 60_000,
  connect_timeout_ms: 10_000,
  request_timeout_ms: 5_000,
  stale_after_ms: 45_000,
  buffer: 100,
  max_in_flight: 100,
  max_rooms: 1_000,
  seed: 0,
};

/** Close codes, and HTTP statuses when the answer is one of Switchboard's own. */
const FINAL = /^(100[02379]|400[34]|40[0345]|426)$/;
const UNAUTHORIZED = /^40?01$/;
const RESERVED =
  /^(join|resume|leave|direct|members|history|reply|health_ping|health_pong|connected|joined|left|member_joined|member_left|ack|error|gap|refresh|request|draining)$/;
const PONG_WITHIN_MS = 5_000;
const RATE_LIMIT_PAUSE_MS = 1_000;

const ORDER: { [Name in keyof Actions]: number } = {
  drop: 0,
  state: 1,
  deliver: 2,
  requested: 2,
  room: 3,
  settled: 4,
  ask_token: 5,
  dial: 5,
  transmit: 6,
};
const rank = (action: Action) => ORDER[Object.keys(action)[0] as keyof Actions];
const ticketOf = ({ settled }: Partial<Actions>) => settled?.ticket ?? 0;

export function createMachine(settings: Partial<Config> = {}): Machine {
  const config: typeof DEFAULTS & Partial<Config> = { ...DEFAULTS, ...settings };
  const draw = createDraw(config.seed);
  const rooms: Rooms = new Map();
  /** Keyed by id, in the order of the calls. */
  const outgoing = new Map<unknown, Pending>();
  let actions: Action[];
  let now = 0;

  let state: State = "idle";
  let token: string | undefined;
  let session: string | undefined;
  /** Consecutive failures. */
  let failures = 0;
  /** Whether a token was refused, and none has been accepted since. */
  let wasRefused = false;
  /** Whether there is a socket. */
  let dialled = false;
  /** Whether it has opened. */
  let hasOpened = false;
  /** When *connecting* or *waiting* ends. */
  let until = Infinity;
  /** The wait that the server asked for. */
  let wait: number | undefined;
  let openedAt: number;
  let staleAfter: number;
  let staleAt = Infinity;
  let pongDue = Infinity;
  let limitedUntil = Infinity;
  let maxBytes = Infinity;
  let ids = 0;

  // ---- actions ----

  const emit = (action: Action) => void actions.push(action);
  const transmit = (message: Message) => emit({ transmit: message });
  const settle = (ticket: number, outcome: Outcome) => emit({ settled: { ticket, ...outcome } });
  const fail = (ticket: number, code: string) => settle(ticket, { error: { code, message: code.replaceAll("_", " ") } });

  function enter(next: State, cause?: Cause): void {
    if (state !== next) {
      state = next;
      emit({ state: { state, ...cause } });
    }
  }

  // ---- the connection ----

  function dial(): void {
    dialled = true;
    hasOpened = false;
    until = now + config.connect_timeout_ms;
    emit({ dial: { token, session } });
  }

  function askToken(): void {
    until = now + config.connect_timeout_ms;
    token = undefined;
    emit({ ask_token: {} });
  }

  function retry(): void {
    enter("connecting");
    if (config.ask_token && !token) {
      askToken();
    } else {
      dial();
    }
  }

  function drop(code?: number): void {
    if (dialled) {
      emit({ drop: { code } });
    }
  }

  /** Ends everything that belonged to the connection. */
  function forgetConnection(): void {
    if (state === "open" && now - openedAt >= config.stable_after_ms) {
      failures = 0;
    }
    if (dialled && !hasOpened) {
      // The token may be why: a browser cannot see that.
      token = undefined;
    }
    dialled = false;
    until = staleAt = pongDue = limitedUntil = Infinity;
    for (const room of rooms.values()) {
      room.entered = false;
      room.asked = undefined;
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

  function pause(cause?: Cause): void {
    forgetConnection();
    // Drawn from the whole interval, so that clients do not reconnect together.
    const retry_in_ms = wait ?? draw(Math.min(config.max_backoff_ms, config.min_backoff_ms * 2 ** failures++));
    wait = undefined;
    until = now + retry_in_ms;
    state = "waiting";
    emit({ state: { state, retry_in_ms, ...cause } });
  }

  function lose(): void {
    drop();
    pause();
  }

  /** The socket ended, or the upgrade was refused. */
  function over(status: number | undefined, cause: Cause): void {
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

  function end(next: State, code: string, cause?: Cause): void {
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
    wait = token = undefined;
    enter(next, cause);
  }

  function greeted(greeting: Greeting): void {
    session = greeting.session ?? session;
    staleAfter = greeting.heartbeat?.stale_after_ms ?? config.stale_after_ms;
    maxBytes = greeting.limits?.max_message_bytes ?? Infinity;
    hasOpened = true;
    openedAt = now;
    until = Infinity;
    wait = undefined;
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

  /** Records a sign of life: any frame is one. */
  function heard(): void {
    if (state === "open") {
      staleAt = now + (staleAfter || Infinity);
      pongDue = Infinity;
    }
  }

  // ---- rooms ----

  /** Asks for all rooms at once, or in as few messages as the limit allows. */
  function resume(): void {
    const envelope = sizeOf({ type: RESUME, rooms: [] });
    let size = Infinity;
    let places: unknown[] = [];
    for (const room of rooms.values()) {
      if (!room.entered) {
        room.asked = RESUME;
        const one = place(room);
        const more = sizeOf(one as unknown as Message) + 1;
        size += more;
        if (size > maxBytes || size === Infinity) {
          // The last entry of a list has no comma.
          size = envelope + more - 1;
          transmit({ type: RESUME, rooms: (places = []) });
        }
        places.push(one);
      }
    }
  }

  const isFull = () => rooms.size >= config.max_rooms;

  function entered(room: Room, { position, recovered }: Entered): void {
    room.entered = room.known = true;
    room.asked = undefined;
    // What is missing counts as missing until the `refresh` has arrived.
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

  /** Drops a room that the connection is not, or no longer, in. */
  function shutOut({ room, tickets }: Room, left: Partial<Problem>): void {
    rooms.delete(room);
    if (tickets.length > 0) {
      for (const ticket of tickets) {
        settle(ticket, { error: left as Problem });
      }
    } else {
      emit({ room: { room, left } });
    }
  }

  // ---- sending ----

  const list = (which: (pending: Pending) => unknown = () => true) => [...outgoing.values()].filter(which);

  function take(which?: (pending: Pending) => unknown): Pending[] {
    const taken = list(which);
    for (const { message } of taken) {
      outgoing.delete(message.id);
    }
    return taken;
  }

  const isTooBig = ({ message }: Pending) => maxBytes < Infinity && sizeOf(message) > maxBytes;
  const failTooBig = ({ ticket }: Pending) => fail(ticket, "too_big");
  const isFree = () => state === "open" && limitedUntil === Infinity && list(isInFlight).length < config.max_in_flight;
  const newId = (count: number) => `${config.id_prefix}-${count}`;

  function transmitPending(pending: Pending): void {
    pending.sent = true;
    pending.limited = false;
    transmit(pending.message);
  }

  /** Sends waiting messages, as far as the limits allow. */
  function pump(): void {
    for (const pending of list(isWaiting)) {
      if (isFree()) {
        transmitPending(pending);
      }
    }
  }

  function make(ticket: number, fields: Message, answer: string, timeout = Infinity, lasting?: boolean): Pending {
    return { ticket, message: { ...fields, id: newId(ids + 1) }, answer, due: now + timeout, lasting };
  }

  function keep(pending: Pending): void {
    ids += 1;
    outgoing.set(pending.message.id, pending);
  }

  function enqueue(pending: Pending): void {
    if (isTooBig(pending)) {
      failTooBig(pending);
    } else if (!isFree() && list(isWaiting).length >= config.buffer) {
      fail(pending.ticket, "buffer_full");
    } else {
      keep(pending);
      pump();
    }
  }

  function publish(ticket: number, message: Message, timeout?: number): void {
    if (RESERVED.test(message.type)) {
      fail(ticket, "reserved_type");
    } else {
      enqueue(make(ticket, message, "ack", timeout, timeout === undefined));
    }
  }

  // ---- receiving ----

  function received(message: Message): void {
    const { type, id, room: name, timestamp, retry_after_ms } = message;
    if (state !== "open") {
      if (dialled && type === "connected") {
        greeted(message as unknown as Greeting);
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
        if (id !== undefined) {
          emit({ requested: { id, method: message["method"], payload: message["payload"] } as Actions["requested"] });
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
        if (!room?.entered || !isPosition(position) || (!advance(room, position) && type !== "gap")) {
          return;
        }
    }
    if (room?.entered) {
      emit({ deliver: message });
    }
  }

  function answered(message: Message, room: Room | undefined): void {
    const { type, id, room: _, code, message: text, ...result } = message;
    const { position, recovered, event_id } = result;
    const problem = type === "error" ? ({ code, message: text } as Problem) : undefined;
    if (problem && typeof code !== "string") {
      return;
    }

    // Without an id it is one of the answers to `resume`, or the server entered the client by
    // itself.
    const asking = [...rooms.values()].find(({ asked }) => id !== undefined && asked === id);
    if (type === "joined" && isPosition(position) && (id === undefined || asking)) {
      const isLeaving = list((one) => isLeave(one) && one.message.room === message.room).length > 0;
      if (asking || (!isLeaving && (room ? !room.entered : !isFull()))) {
        entered(asking ?? open(rooms, message.room as string), { position, recovered } as Entered);
      }
    } else if (asking && problem) {
      shutOut(asking, problem);
    } else if (id === undefined && room && ((type === "left" && room.entered) || (problem && room.asked === RESUME))) {
      shutOut(room, problem ?? {});
    }

    const pending = outgoing.get(id);
    if (!pending?.sent || (!problem && pending.answer !== type)) {
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

  // ---- events ----

  const on: { [Name in keyof Events]: (event: Events[Name]) => void } = {
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
      drop(1000);
      end(state === "closed" ? state : "idle", "stopped");
      rooms.clear();
      session = undefined;
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
        // "At once" from a server that refuses would make the client dial forever.
        wait = retry_after_ms || wait;
        // Without an error code of ours it is a proxy that answers, while its server restarts.
        over(code === undefined ? undefined : status, { code: status, reason: code });
      }
    },

    join({ ticket, room: name, since }) {
      const wanted = rooms.get(name);
      if (wanted?.entered) {
        return settle(ticket, { ok: { position: wanted.position } });
      }
      let calls = list(isLeave).length;
      rooms.forEach(({ tickets }) => (calls += tickets.length));
      if (calls >= config.max_rooms || (!wanted && isFull())) {
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
        const isTooBig = sizeOf(message) > maxBytes;
        transmit(isTooBig ? { type: "reply", id: reply.id, error: { code: "too_big", message: "the answer is too big" } } : message);
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
    },
  };

  return {
    handle(time, event) {
      now = Math.max(now, time);
      actions = [];
      const [[name, body]] = Object.entries(event) as [[keyof Events, never]];
      const { ticket } = body as { ticket?: number };
      if (state === "closed" && ticket !== undefined) {
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
    },
  };
}

interface Greeting {
  session?: string;
  rooms?: { room: string; position: string }[];
  heartbeat?: { stale_after_ms?: number };
  limits?: { max_message_bytes?: number };
}
