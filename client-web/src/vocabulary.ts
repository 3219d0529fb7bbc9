// The machine's events and actions. The names are those of docs/client-machine.md.

/** A message on the wire; in a binary one, `payload` is a `Uint8Array`. */
export interface Message {
  readonly type: string;
  readonly id?: string | undefined;
  readonly room?: string | undefined;
  readonly [field: string]: unknown;
}

export interface Problem {
  readonly code: string;
  readonly message: string;
}

export interface Config {
  min_backoff_ms: number;
  max_backoff_ms: number;
  stable_after_ms: number;
  connect_timeout_ms: number;
  request_timeout_ms: number;
  stale_after_ms: number;
  /** The number of messages that may wait while there is no connection. */
  buffer: number;
  /** The number of messages that may be unanswered at a time. */
  max_in_flight: number;
  /** The number of rooms that may be wanted. */
  max_rooms: number;
  /** Whether there is a token provider. */
  ask_token: boolean;
  seed: number;
  id_prefix: string;
}

export type State = "idle" | "connecting" | "open" | "waiting" | "closed";

/** Why a connection ended. */
export interface Cause {
  /** A close code, or the HTTP status of a refusal. */
  readonly code?: number | undefined;
  /** The reason of the close, the error code of a refusal, or the error of the token function. */
  readonly reason?: string | undefined;
}

export interface StateChange extends Cause {
  readonly state: State;
  readonly retry_in_ms?: number | undefined;
  /**
   * In `waiting`, when three or more attempts in a row failed without telling why and none has
   * opened since `connect`: `never opened: origin, token or address?`
   */
  readonly hint?: string | undefined;
}

type Nothing = Record<never, never>;
type Ticket = { ticket: number };
type Payload = { payload?: unknown };

export interface Events {
  connect: Nothing;
  stop: Nothing;
  token: { token: string } | { error: string };
  opened: Nothing;
  received: Message;
  alive: Nothing;
  ended: Cause;
  /** `code` is the error code of the answer's body, if the answer is one of Switchboard's own. */
  refused: { status: number; code?: string | undefined; retry_after_ms?: number | undefined };
  join: Ticket & { room: string; since?: string };
  leave: Ticket & { room: string };
  send: Ticket & Payload & { room?: string | undefined; type: string; key?: string };
  direct: Ticket & Payload & { to: string };
  request: Ticket & Payload & { room?: string | undefined; type: string; timeout_ms?: number };
  ask: Ticket & { message: Message; timeout_ms?: number | undefined };
  cancel: Ticket;
  reply: Payload & { id: string; error?: Problem };
  wake: Nothing;
  tick: Nothing;
}

export type Outcome = { ok: Record<string, unknown> } | { error: Problem };

export interface Actions {
  ask_token: Nothing;
  dial: { token?: string | undefined; session?: string };
  transmit: Message;
  drop: { code?: number };
  state: StateChange;
  settled: Ticket & Outcome;
  deliver: Message;
  room: { room: string } & ({ joined: Entered } | { left: Partial<Problem> });
  requested: Payload & { id: string; method: string };
}

export interface Entered {
  readonly position: string;
  /** Present only if the room was entered from a position: whether nothing was missed since. */
  readonly recovered?: boolean | undefined;
}

/** One of the entries, as an object with only that key. */
type OneOf<T> = { [K in keyof T]: { [P in K]: T[K] } }[keyof T];

export type Event = OneOf<Events>;
export type Action = OneOf<Actions>;
