import { SwitchboardError } from "./error.js";
import { Listeners } from "./listeners.js";
import type { Entered, Event, Message, Problem } from "./vocabulary.js";
import { fromHistory } from "./wire.js";

/** A message that was published in a room. */
export interface Publication {
  readonly type: string;
  readonly room: string;
  /** Absent when the server published it. */
  readonly from?: string;
  readonly id?: string;
  /** Its position. */
  readonly event_id: string;
  readonly timestamp: number;
  /** A `Uint8Array` if it was sent as bytes. */
  readonly payload?: unknown;
  /** Whether this very client sent it. */
  readonly own: boolean;
}

export interface Presence {
  readonly room: string;
  readonly user: string;
}

/** The server left some out, because this client was too slow. */
export interface Gap {
  readonly room: string;
  readonly since: string;
  readonly position: string;
  readonly dropped: number;
}

/** What was missed could not be made up for; the stream goes on after `position`. */
export interface Refresh {
  readonly room: string;
  readonly reason: string;
  readonly position: string;
  /** The room's full state, where the application provides it. */
  readonly payload?: unknown;
}

export interface RoomEvents {
  message: Publication;
  member_joined: Presence;
  member_left: Presence;
  gap: Gap;
  refresh: Refresh;
  /** Each time the room is entered, so after each reconnect too. */
  joined: Entered;
  /** With a `code` if the room could not be entered again; without one after `leave`, or if the server did it. */
  left: Partial<Problem>;
}

export interface Sent {
  /** Its position, if it was published and not handled by the application. */
  readonly event_id?: string;
  readonly payload?: unknown;
}

export interface Members {
  readonly members: string[];
  readonly total: number;
}

export interface History {
  readonly events: Publication[];
  readonly position: string;
  readonly more: boolean;
}

export interface Abortable {
  /** Stops the waiting; what is under way is then not sent again. */
  readonly signal?: AbortSignal | undefined;
}

export interface SendOptions extends Abortable {
  /** In a room that conflates, what this replaces. */
  readonly key?: string;
}

/** What a room needs of its client. */
export interface Link {
  call<T>(event: (ticket: number) => Event, options: Abortable, done?: (result: T) => void): Promise<T>;
  send(room: string, type: string, payload: unknown, options: SendOptions): Promise<Sent>;
  onEnd(listener: () => void): () => void;
  publication(message: Message): Publication;
}

/** What a room and its client share: whether the connection is in it, and who listens. */
export class Seat {
  readonly events: Listeners<RoomEvents>;
  joined = false;

  constructor(report: (error: unknown) => void) {
    this.events = new Listeners(report);
  }

  enter(entered: Entered): void {
    if (!this.joined) {
      this.joined = true;
      this.events.emit("joined", entered);
    }
  }

  exit(problem: Partial<Problem>): void {
    this.joined = false;
    this.events.emit("left", problem);
  }
}

const UNREAD = 1_000;

/** A room as one client sees it. Get it from `client.room(name)`; the same name gives the same room. */
export class Room implements AsyncIterable<Publication> {
  readonly name: string;
  readonly #link: Link;
  readonly #seat: Seat;

  /** @internal */
  constructor(name: string, link: Link, seat: Seat) {
    this.name = name;
    this.#link = link;
    this.#seat = seat;
  }

  /** Whether the connection is in the room now. */
  get joined(): boolean {
    return this.#seat.joined;
  }

  /** Gives a function that takes the listener off again. */
  on<Name extends keyof RoomEvents>(name: Name, listener: (value: RoomEvents[Name]) => void): () => void {
    return this.#seat.events.add(name, listener);
  }

  /** Enters the room, and enters it again after each reconnect. With `since`, what was published after that comes first. */
  join({ since, signal }: Abortable & { readonly since?: string } = {}): Promise<Entered> {
    const join = { room: this.name, ...(since !== undefined && { since }) };
    return this.#link.call<Entered>((ticket) => ({ join: { ticket, ...join } }), { signal }, (entered) => this.#seat.enter(entered));
  }

  async leave(options: Abortable = {}): Promise<void> {
    await this.#link.call((ticket) => ({ leave: { ticket, room: this.name } }), options, () => this.#seat.exit({}));
  }

  /**
   * Publishes, or hands it to the application's handler for this type. Settles when the server has answered; until then it
   * survives reconnects, and is published once. `payload` is a JSON value, or bytes: Uint8Array, ArrayBuffer, Blob.
   */
  send(type: string, payload?: unknown, options: SendOptions = {}): Promise<Sent> {
    return this.#link.send(this.name, type, payload, options);
  }

  /** Who is in the room: at most 1,000 names, and how many there are. */
  members(options: Abortable = {}): Promise<Members> {
    return this.#ask("members", {}, options);
  }

  /** What the room keeps: publications after `since`, oldest first, or the last ones. */
  async history({ since, limit, signal }: Abortable & { readonly since?: string; readonly limit?: number } = {}): Promise<History> {
    const history = await this.#ask<History>("history", { since, limit }, { signal });
    const events = history.events.map((event) => this.#link.publication({ ...fromHistory({ ...event }), room: this.name }));
    return { ...history, events };
  }

  #ask<T>(type: string, fields: Record<string, unknown>, options: Abortable): Promise<T> {
    return this.#link.call<T>((ticket) => ({ ask: { ticket, message: { type, room: this.name, ...fields } } }), options);
  }

  /**
   * The messages from now on, until the room is left or the client is closed. Whoever lets more than `limit` wait unread
   * gets the error `overflow` instead of a stream with a hole in it.
   */
  messages({ limit = UNREAD, signal }: Abortable & { readonly limit?: number } = {}): AsyncGenerator<Publication, void, void> {
    const unread: Publication[] = [];
    let ended = signal?.aborted ?? false;
    let error: unknown = signal?.reason;
    let wake = () => {};
    const end = (why?: unknown) => {
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
      () => signal?.removeEventListener("abort", aborted),
    ];
    signal?.addEventListener("abort", aborted);
    return (async function* () {
      try {
        for (;;) {
          for (let next = unread.shift(); next; next = unread.shift()) {
            yield next;
          }
          if (ended) {
            break;
          }
          await new Promise<void>((resolve) => (wake = resolve));
        }
        if (error !== undefined) {
          throw error;
        }
      } finally {
        end();
      }
    })();
  }

  [Symbol.asyncIterator](): AsyncGenerator<Publication, void, void> {
    return this.messages();
  }
}
