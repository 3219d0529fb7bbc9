// What a client does between an application and a socket, without IO, clock or randomness of its own.
// docs/client-machine.md describes it; the machine in Rust behaves the same.

import { createBackoff } from "./backoff.js";
import { createOutgoing, isInFlight, isWaiting, type Kind, type Pending } from "./outgoing.js";
import { acknowledge, advance, open, place, type Rooms } from "./rooms.js";
import type { Action, Actions, Cause, Config, Entered, Event, Events, Message, Outcome, Problem, State } from "./vocabulary.js";
import { sizeOf } from "./wire.js";

export interface Machine {
  /** `now` is in milliseconds and never runs backwards. */
  handle(now: number, event: Event): Action[];
  /** When `tick` is due; null if nothing is waited for. */
  nextDeadline(): number | null;
}

const DEFAULTS: Config = {
  min_backoff_ms: 1_000,
  max_backoff_ms: 30_000,
  stable_after_ms: 60_000,
  connect_timeout_ms: 10_000,
  request_timeout_ms: 5_000,
  stale_after_ms: 45_000,
  buffer: 100,
  max_in_flight: 100,
  ask_token: false,
  seed: 0,
  id_prefix: "",
};

const FINAL = [1000, 1002, 1003, 1007, 1009, 4003, 4004, 400, 403, 404, 405, 426];
const UNAUTHORIZED = [4001, 401];
const PONG_WITHIN_MS = 5_000;
const RATE_LIMIT_PAUSE_MS = 1_000;

/** The order of the actions of one event; those between `state` and `dial` are in the order in which they came about. */
const RANK: { [Name in string]?: number } = { drop: 0, state: 1, ask_token: 3, dial: 3, transmit: 4 };
const rank = (action: Action) => RANK[Object.keys(action)[0] as string] ?? 2;
const ticketOf = (action: Action) => ("settled" in action ? action.settled.ticket : 0);

export function createMachine(settings: Partial<Config> = {}): Machine {
  const config = { ...DEFAULTS, ...settings };
  const backoff = createBackoff(config.min_backoff_ms, config.max_backoff_ms, config.seed);
  const outgoing = createOutgoing(config.id_prefix);
  const rooms: Rooms = new Map();
  /** Ids of what the server asked on this connection and nobody has answered. */
  const asked = new Set<string>();
  let actions: Action[];
  let now: number;

  let state: State = "idle";
  let token: string | undefined;
  let session: string | undefined;
  /** Whether the token in use came after a refusal and has not been accepted yet. */
  let isFreshToken = false;
  /** Whether there is a socket. */
  let dialled = false;
  /** When *connecting* or *waiting* ends. */
  let until = Infinity;
  /** The wait that the server wants. */
  let wait: number | undefined;
  let openedAt: number;
  let staleAfter: number;
  let staleAt = Infinity;
  let pongDue = Infinity;
  let limitedUntil = Infinity;
  let maxBytes = Infinity;

  // ---- what comes out ----

  const emit = (action: Action) => void actions.push(action);
  const transmit = (message: Message) => emit({ transmit: message });
  const settle = (ticket: number, outcome: Outcome) => emit({ settled: { ticket, ...outcome } });
  const fail = (ticket: number, code: string, message: string) => settle(ticket, { error: { code, message } });

  function enter(next: State, cause?: Cause): void {
    if (state !== next) {
      state = next;
      emit({ state: { state, ...cause } });
    }
  }

  // ---- the connection ----

  function dial(): void {
    dialled = true;
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
    if (config.ask_token && token === undefined) {
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

  /** What belonged to the connection ends with it. */
  function forgetConnection(): void {
    if (state === "open" && now - openedAt >= config.stable_after_ms) {
      backoff.reset();
    }
    dialled = false;
    until = staleAt = pongDue = limitedUntil = Infinity;
    asked.clear();
    for (const [name, room] of rooms) {
      room.seat = undefined;
      if (!room.wanted) {
        rooms.delete(name);
      }
    }
    for (const { kind, ticket } of outgoing.take(({ kind, sent }) => sent && kind !== "send")) {
      if (kind === "request") {
        fail(ticket, "disconnected", "connection lost before the answer");
      } else if (kind === "leave") {
        settle(ticket, { ok: {} });
      }
    }
  }

  function pause(cause?: Cause): void {
    forgetConnection();
    const retry_in_ms = wait ?? backoff.next();
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
    if (UNAUTHORIZED.includes(status as number)) {
      if (config.ask_token && !isFreshToken) {
        forgetConnection();
        isFreshToken = true;
        enter("connecting", cause);
        askToken();
        return;
      }
    } else if (!FINAL.includes(status as number)) {
      pause(cause);
      return;
    }
    end("closed", cause);
  }

  function end(next: "idle" | "closed", cause?: Cause): void {
    const code = next === "idle" ? "stopped" : next;
    for (const { ticket, kind } of outgoing.take(() => true)) {
      if (kind !== "join") {
        fail(ticket, code, code);
      }
    }
    for (const [name, { tickets }] of rooms) {
      for (const ticket of tickets) {
        fail(ticket, code, code);
        rooms.delete(name);
      }
    }
    forgetConnection();
    wait = token = undefined;
    enter(next, cause);
  }

  function greeted(greeting: Greeting): void {
    session = greeting.session;
    staleAfter = greeting.heartbeat?.stale_after_ms ?? config.stale_after_ms;
    maxBytes = greeting.limits?.max_message_bytes ?? Infinity;
    openedAt = now;
    until = Infinity;
    isFreshToken = false;
    enter("open");
    heard();
    outgoing.take(isTooBig).forEach(failTooBig);
    for (const { room, position } of greeting.rooms ?? []) {
      entered(room, { position });
    }
    const absent = [...rooms.values()].filter(({ seat }) => !seat);
    if (absent.length > 0) {
      transmit({ type: "resume", rooms: absent.map(place) });
      for (const room of absent) {
        room.seat = "asked";
      }
    }
    outgoing.list(isInFlight).forEach(transmitPending);
    pump();
  }

  /** A frame is a sign of life. */
  function heard(): void {
    if (state === "open") {
      staleAt = now + (staleAfter || Infinity);
    }
    pongDue = Infinity;
  }

  // ---- rooms ----

  function entered(name: string, joined: Entered): void {
    const room = open(rooms, name);
    room.seat = "entered";
    room.position = joined.position;
    if (room.tickets.length > 0) {
      for (const ticket of room.tickets.splice(0)) {
        settle(ticket, { ok: { ...joined } });
      }
    } else if (room.wanted) {
      emit({ room: { room: name, joined } });
    }
  }

  /** The connection is not, or no longer, in a room. */
  function shutOut(name: string, left: Partial<Problem>): void {
    const tickets = rooms.get(name)?.tickets;
    rooms.delete(name);
    if (tickets?.length) {
      for (const ticket of tickets) {
        settle(ticket, { error: left as Problem });
      }
    } else {
      emit({ room: { room: name, left } });
    }
  }

  // ---- what is sent ----

  const isTooBig = ({ message }: Pending) => sizeOf(message) > maxBytes;
  const failTooBig = ({ ticket }: Pending) => fail(ticket, "too_big", `over ${maxBytes} bytes`);

  function transmitPending(pending: Pending): void {
    pending.sent = true;
    pending.limited = false;
    transmit(pending.message);
  }

  /** Sends what waits, as far as it may go. */
  function pump(): void {
    if (state === "open") {
      let free = config.max_in_flight - outgoing.list(isInFlight).length;
      for (const pending of outgoing.list(isWaiting)) {
        if (pending.kind !== "send" || free-- > 0) {
          transmitPending(pending);
        }
      }
    }
  }

  function enqueue(kind: Kind, ticket: number, message: Message, due?: number): void {
    const added = outgoing.add(kind, ticket, message, due);
    outgoing.take((pending) => pending === added && isTooBig(added)).forEach(failTooBig);
    pump();
    // Whatever else waits was let in before this one.
    for (const pending of outgoing.list(isWaiting).slice(config.buffer)) {
      outgoing.take((one) => one === pending);
      fail(ticket, "buffer_full", `${config.buffer} messages are waiting`);
    }
  }

  // ---- what arrives ----

  function received(message: Message): void {
    if (state !== "open") {
      if (dialled && message.type === "connected") {
        greeted(message as unknown as Greeting);
      }
      return;
    }
    heard();
    const { type, id, room, timestamp } = message;
    switch (type) {
      case "connected":
        return;
      case "health_pong":
        // It has no id: `ping` is found by its number.
        for (const { ticket } of outgoing.take(({ message }) => message.type === "health_ping" && message["timestamp"] === timestamp)) {
          settle(ticket, { ok: {} });
        }
        return;
      case "health_ping":
        return transmit({ type: "health_pong", timestamp });
      case "draining":
        wait = message["retry_after_ms"] as number;
        return;
      case "request":
        asked.add(id as string);
        return emit({ requested: { id, method: message["method"], payload: message["payload"] } as Actions["requested"] });
      case "joined":
      case "left":
      case "ack":
      case "error":
      case "members":
      case "history":
        return id === undefined ? told(message) : answered(message, outgoing.get(id));
      case "gap":
      case "refresh":
        advance(rooms.get(room), message["position"]);
        break;
      case "direct":
      case "member_joined":
      case "member_left":
        break;
      default:
        if (room === undefined || !advance(rooms.get(room), message["event_id"])) {
          return;
        }
    }
    emit({ deliver: message });
  }

  function answered({ type, id, room, ...result }: Message, pending: Pending | undefined): void {
    if (!pending) {
      return;
    }
    const { kind, ticket, message } = pending;
    const problem = type === "error" && problemOf(result);
    if (kind === "send" && problem && problem.code === "rate_limited") {
      pending.limited = true;
      limitedUntil = Math.min(limitedUntil, now + RATE_LIMIT_PAUSE_MS);
      return;
    }
    outgoing.take((one) => one === pending);
    if (kind === "join") {
      if (problem) {
        shutOut(message.room as string, problem);
      } else {
        entered(room as string, enteredOf(result));
      }
    } else {
      if (kind === "send") {
        acknowledge(rooms.get(message.room), result["event_id"]);
      }
      settle(ticket, problem ? { error: problem } : { ok: result });
    }
    pump();
  }

  /** Without an id it is one of the answers to `resume`, or the server did it by itself. */
  function told({ type, room, ...news }: Message): void {
    if (room !== undefined && rooms.has(room)) {
      if (type === "joined") {
        entered(room, enteredOf(news));
      } else if (type === "left") {
        shutOut(room, {});
      } else if (type === "error") {
        shutOut(room, problemOf(news));
      }
    }
  }

  // ---- what happens ----

  const on: { [Name in keyof Events]: (event: Events[Name]) => void } = {
    connect() {
      if (state === "idle" || state === "closed") {
        backoff.reset();
        isFreshToken = false;
        retry();
      } else if (state === "waiting") {
        retry();
      }
    },

    stop() {
      if (state !== "closed") {
        drop(1000);
        end("idle");
        rooms.clear();
        session = token = undefined;
      }
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

    opened: heard,
    alive: heard,
    received,

    ended(cause) {
      if (dialled) {
        over(cause.code, cause);
      }
    },

    refused({ status, retry_after_ms }) {
      if (dialled && state !== "open") {
        wait = retry_after_ms ?? wait;
        over(status, { code: status });
      }
    },

    join({ ticket, room: name, since }) {
      const room = open(rooms, name);
      room.wanted = true;
      room.position ??= since;
      if (room.seat === "entered") {
        settle(ticket, { ok: { position: room.position } });
        return;
      }
      room.tickets.push(ticket);
      if (state === "open" && !room.seat) {
        room.seat = "asked";
        transmitPending(outgoing.add("join", ticket, { type: "join", ...place(room) }));
      }
    },

    leave({ ticket, room: name }) {
      const room = rooms.get(name);
      rooms.delete(name);
      for (const waiting of room?.tickets ?? []) {
        fail(waiting, "left", "left");
      }
      if (room?.seat) {
        transmitPending(outgoing.add("leave", ticket, { type: "leave", room: name }));
      } else {
        settle(ticket, { ok: {} });
      }
    },

    send: ({ ticket, ...message }) => enqueue("send", ticket, message),
    direct: ({ ticket, ...message }) => enqueue("send", ticket, { type: "direct", ...message }),
    request: ({ ticket, timeout_ms = config.request_timeout_ms, ...message }) => enqueue("request", ticket, message, now + timeout_ms),
    ask: ({ ticket, message }) => enqueue("request", ticket, message, now + config.request_timeout_ms),

    cancel({ ticket }) {
      for (const room of rooms.values()) {
        room.tickets = room.tickets.filter((one) => one !== ticket);
      }
      outgoing.take((pending) => pending.ticket === ticket && pending.kind !== "join");
      pump();
    },

    reply(reply) {
      if (asked.delete(reply.id)) {
        transmit({ type: "reply", ...reply });
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
      for (const { ticket } of outgoing.take(({ due }) => due <= now)) {
        fail(ticket, "timeout", "no answer in time");
      }
      if (now >= Math.min(staleAt, pongDue)) {
        lose();
      } else if (now >= until) {
        if (state === "waiting") {
          retry();
        } else {
          lose();
        }
      } else if (now >= limitedUntil) {
        limitedUntil = Infinity;
        outgoing.list(({ limited }) => limited).forEach(transmitPending);
      }
    },
  };

  return {
    handle(time, event) {
      now = time;
      actions = [];
      const [[name, body]] = Object.entries(event) as [[keyof Events, never]];
      const { ticket } = body as { ticket?: number };
      if (state === "closed" && ticket !== undefined) {
        if (name !== "cancel") {
          fail(ticket, "closed", "closed");
        }
      } else {
        on[name](body);
      }
      return actions.sort((a, b) => rank(a) - rank(b) || (name === "received" ? 0 : ticketOf(a) - ticketOf(b)));
    },

    nextDeadline() {
      const deadline = Math.min(until, staleAt, pongDue, limitedUntil, ...outgoing.list(() => true).map(({ due }) => due));
      return deadline === Infinity ? null : deadline;
    },
  };
}

interface Greeting {
  session?: string;
  rooms?: { room: string; position: string }[];
  heartbeat?: { stale_after_ms?: number };
  limits?: { max_message_bytes?: number };
}

const enteredOf = ({ position, recovered }: Record<string, unknown>) => ({ position, recovered }) as Entered;
const problemOf = ({ code, message }: Record<string, unknown>) => ({ code, message }) as Problem;
