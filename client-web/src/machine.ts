// What a client does between an application and a socket, without IO, clock or randomness of its own.
// docs/client-machine.md describes it; the machine in Rust behaves the same.

import { Backoff } from "./backoff.js";
import { isInFlight, isWaiting, Outgoing, type Pending } from "./outgoing.js";
import { entry, Rooms, type Room } from "./rooms.js";
import type { Action, Actions, Cause, Config, Entered, Event, Events, Message, Outcome, Problem, State, StateChange } from "./vocabulary.js";
import { sizeOf } from "./wire.js";

export const DEFAULTS: Config = {
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

/** The order of the actions of one event. */
const RANK: Record<string, number> = { drop: 0, state: 1, ask_token: 3, dial: 3, transmit: 4 };
const rank = (action: Action): number => RANK[Object.keys(action)[0] as string] ?? 2;
const ticketOf = (action: Action): number => ("settled" in action ? action.settled.ticket : 0);

type Handlers = { [K in keyof Events]: (event: Events[K]) => void };

export class Machine {
  readonly #config: Config;
  readonly #backoff: Backoff;
  readonly #outgoing: Outgoing;
  readonly #rooms = new Rooms();
  /** Ids of what the server asked on this connection and nobody has answered. */
  readonly #asked = new Set<string>();
  #actions: Action[] = [];
  #now = 0;

  #state: State = "idle";
  #token: string | undefined;
  #session: string | undefined;
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
  #wait: number | undefined;

  constructor(config: Partial<Config> = {}) {
    this.#config = { ...DEFAULTS, ...config };
    const { min_backoff_ms, max_backoff_ms, seed, id_prefix } = this.#config;
    this.#backoff = new Backoff(min_backoff_ms, max_backoff_ms, seed);
    this.#outgoing = new Outgoing(id_prefix);
  }

  handle(now: number, event: Event): Action[] {
    this.#now = now;
    this.#actions = [];
    const [[name, body]] = Object.entries(event) as [[keyof Events, never]];
    this.#on[name](body);
    const byTicket = name === "received" ? 0 : 1;
    return this.#actions.sort((a, b) => rank(a) - rank(b) || byTicket * (ticketOf(a) - ticketOf(b)));
  }

  /** When `tick` is due; null if nothing is waited for. */
  nextDeadline(): number | null {
    const dues = this.#outgoing.list(() => true).map(({ due }) => due);
    const deadline = Math.min(this.#until, this.#staleAt(), this.#pongDue, this.#limitedUntil, ...dues);
    return deadline === Infinity ? null : deadline;
  }

  readonly #on: Handlers = {
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
      this.#dropSocket(1000);
      this.#end("idle", "stopped", "the client was stopped");
      this.#rooms.clear();
      this.#session = this.#token = undefined;
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
        this.#over(code, { ...(code !== undefined && { code }), ...(reason !== undefined && { reason }) });
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
    },
  };

  // ---- the connection ----

  #hasSocket(): boolean {
    return this.#state === "open" || (this.#state === "connecting" && this.#dialled);
  }

  #retry(): void {
    this.#enter({ state: "connecting" });
    if (this.#config.ask_token && this.#token === undefined) {
      this.#askToken();
    } else {
      this.#dial();
    }
  }

  #askToken(): void {
    this.#token = undefined;
    this.#dialled = false;
    this.#until = this.#now + this.#config.connect_timeout_ms;
    this.#emit({ ask_token: {} });
  }

  #dial(): void {
    this.#dialled = true;
    this.#until = this.#now + this.#config.connect_timeout_ms;
    this.#emit({
      dial: {
        ...(this.#token !== undefined && { token: this.#token }),
        ...(this.#session !== undefined && { session: this.#session }),
      },
    });
  }

  #connected(message: Message): void {
    const { session, heartbeat, limits, rooms } = message as unknown as Greeting;
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
  #over(code: number | undefined, cause: Cause): void {
    this.#forgetConnection();
    if (code !== undefined && UNAUTHORIZED.includes(code)) {
      if (this.#config.ask_token && !this.#freshToken) {
        this.#freshToken = true;
        this.#enter({ state: "connecting", ...cause });
        this.#askToken();
        return;
      }
    } else if (code === undefined || !FINAL.includes(code)) {
      this.#pause(cause);
      return;
    }
    this.#end("closed", "closed", "the connection is closed for good", cause);
  }

  /** Gives up what there is of a connection, and tries again later. */
  #lost(cause: Cause): void {
    this.#dropSocket();
    this.#forgetConnection();
    this.#pause(cause);
  }

  #pause(cause: Cause): void {
    let wait = this.#wait;
    this.#wait = undefined;
    wait ??= this.#backoff.next();
    this.#until = this.#now + wait;
    this.#state = "waiting";
    this.#emit({ state: { state: "waiting", retry_in_ms: wait, ...cause } });
  }

  #dropSocket(code?: number): void {
    if (this.#hasSocket()) {
      this.#emit({ drop: code === undefined ? {} : { code } });
    }
  }

  #forgetConnection(): void {
    if (this.#state === "open" && this.#now - this.#openedAt >= this.#config.stable_after_ms) {
      this.#backoff.reset();
    }
    this.#dialled = false;
    this.#until = this.#pongDue = this.#limitedUntil = Infinity;
    this.#asked.clear();
    this.#rooms.lost();
    for (const { kind, ticket } of this.#outgoing.take(({ kind, sent }) => sent && kind !== "send")) {
      if (kind === "request") {
        this.#fail(ticket, "disconnected", "the connection was lost before the answer came");
      } else if (kind === "leave") {
        this.#settle(ticket, { ok: {} });
      }
    }
  }

  #end(state: State, code: string, message: string, cause: Cause = {}): void {
    const tickets = [...this.#outgoing.take(() => true).filter(({ kind }) => kind !== "join").map(({ ticket }) => ticket), ...this.#rooms.takeTickets()];
    this.#settleAll(tickets, { error: { code, message } });
    this.#forgetConnection();
    this.#wait = undefined;
    this.#enter({ state, ...cause });
  }

  #enter(change: StateChange): void {
    if (change.state !== this.#state) {
      this.#state = change.state;
      this.#emit({ state: change });
    }
  }

  // ---- life ----

  #heard(): void {
    this.#lastFrame = this.#now;
    this.#pongDue = Infinity;
  }

  #staleAt(): number {
    return this.#state === "open" && this.#staleAfter > 0 ? this.#lastFrame + this.#staleAfter : Infinity;
  }

  // ---- what arrives ----

  #received(message: Message): void {
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
        this.#wait = message["retry_after_ms"] as number;
        return;
      case "request":
        this.#asked.add(id as string);
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
        if (room === undefined || !this.#rooms.advance(room, message["event_id"])) {
          return;
        }
    }
    this.#emit({ deliver: message });
  }

  #answered(message: Message): void {
    const { type, id, room } = message;
    if (id === undefined) {
      this.#toldOf(message);
      return;
    }
    const pending = this.#outgoing.get(id);
    if (!pending) {
      return;
    }
    const problem = type === "error" ? problemOf(message) : undefined;
    if (problem?.code === "rate_limited" && pending.kind === "send") {
      pending.limited = true;
      this.#limitedUntil = Math.min(this.#limitedUntil, this.#now + RATE_LIMIT_PAUSE_MS);
      return;
    }
    this.#outgoing.delete(id);
    if (pending.kind === "join") {
      if (problem) {
        this.#shutOut(pending.message.room as string, problem);
      } else {
        this.#entered(room as string, enteredOf(message));
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
  #toldOf(message: Message): void {
    const name = message.room;
    if (name === undefined || !this.#rooms.get(name)) {
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

  #entered(name: string, entered: Entered): void {
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
  #shutOut(name: string, problem: Problem): void {
    const room = this.#rooms.get(name) as Room;
    this.#rooms.delete(name);
    if (room.tickets.length > 0) {
      this.#settleAll(room.tickets, { error: problem });
    } else {
      this.#emit({ room: { room: name, left: problem } });
    }
  }

  // ---- what is sent ----

  #enqueue(kind: "send" | "request", ticket: number, message: Message, timeout = this.#config.request_timeout_ms): void {
    if (this.#refuseIfClosed(ticket)) {
      return;
    }
    const pending = this.#outgoing.add(kind, ticket, message, kind === "request" ? this.#now + timeout : Infinity);
    if (this.#isTooBig(pending)) {
      this.#outgoing.delete(pending.message.id as string);
      this.#failTooBig(ticket);
      return;
    }
    this.#pump();
    if (!pending.sent && this.#outgoing.count(isWaiting) > this.#config.buffer) {
      this.#outgoing.delete(pending.message.id as string);
      this.#fail(ticket, "buffer_full", `${this.#config.buffer} messages are waiting already`);
    }
  }

  /** Sends what waits, as far as it may go. */
  #pump(): void {
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

  #transmit(pending: Pending): void {
    pending.sent = true;
    pending.limited = false;
    this.#emit({ transmit: pending.message });
  }

  #isTooBig({ message }: Pending): boolean {
    return sizeOf(message) > this.#maxBytes;
  }

  #refuseIfClosed(ticket: number): boolean {
    if (this.#state === "closed") {
      this.#fail(ticket, "closed", "the connection is closed for good");
      return true;
    }
    return false;
  }

  #failTooBig(ticket: number): void {
    this.#fail(ticket, "too_big", `the server takes messages of up to ${this.#maxBytes} bytes`);
  }

  #fail(ticket: number, code: string, message: string): void {
    this.#settle(ticket, { error: { code, message } });
  }

  #settleAll(tickets: number[], outcome: Outcome): void {
    for (const ticket of tickets) {
      this.#settle(ticket, outcome);
    }
  }

  #settle(ticket: number, outcome: Outcome): void {
    this.#emit({ settled: { ticket, ...outcome } });
  }

  #emit(action: Action): void {
    this.#actions.push(action);
  }
}

interface Greeting {
  session?: string;
  rooms?: { room: string; position: string }[];
  heartbeat?: { stale_after_ms?: number };
  limits?: { max_message_bytes?: number };
}

/** What an answer says, without the fields that only lead it back to its question. */
function resultOf({ type: _type, id: _id, room: _room, ...result }: Message): Record<string, unknown> {
  return result;
}

function enteredOf(message: Message): Entered {
  const { position, recovered } = message as unknown as Entered;
  return recovered === undefined ? { position } : { position, recovered };
}

function problemOf(message: Message): Problem {
  const { code, message: text } = message as unknown as Problem;
  return { code, message: text };
}

function requested(message: Message): Actions["requested"] {
  const { id, method, payload } = message as unknown as Actions["requested"];
  return { id, method, ...(payload !== undefined && { payload }) };
}
