import { SwitchboardError } from "./error.js";
import { createListeners, type Listeners } from "./listeners.js";
import type { Entered, Events, Message, Problem } from "./vocabulary.js";
import { fromHistory } from "./wire.js";

/** A publication in a room. */
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
  /** Whether this client sent it. */
  readonly own: boolean;
}

export interface Presence {
  readonly room: string;
  readonly user: string;
}

/** The server dropped some publications because this client was too slow. */
export interface Gap {
  readonly room: string;
  readonly since: string;
  readonly position: string;
  readonly dropped: number;
}

/** What was missed cannot be recovered; the stream continues after `position`. */
export interface Refresh {
  readonly room: string;
  readonly reason: string;
  readonly position: string;
  /** The room's full state, if the application provides it. */
  readonly payload?: unknown;
}

export interface RoomEvents {
  message: Publication;
  member_joined: Presence;
  member_left: Presence;
  gap: Gap;
  refresh: Refresh;
  /** Each time the room is entered, so also after each reconnect. */
  joined: Entered;
  /**
   * With a `code` if the room could not be entered again; without one after `leave`, or if the
   * server removed the client.
   */
  left: Partial<Problem>;
}

export interface Sent {
  /** Its position, if it was published rather than handled by the application. */
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
  /** Whether newer publications than these exist. */
  readonly more: boolean;
}

export interface Abortable {
  /** Aborts the wait; an unanswered message is then not sent again. */
  readonly signal?: AbortSignal | undefined;
}

export interface JoinOptions extends Abortable {
  /** A position: publications after it arrive first. */
  readonly since?: string | undefined;
}

export interface SendOptions extends Abortable {
  /** In a room that conflates: a newer message replaces a waiting one with the same key. */
  readonly key?: string | undefined;
}

export interface HistoryOptions extends Abortable {
  readonly since?: string | undefined;
  readonly limit?: number | undefined;
}

export interface MessagesOptions extends Abortable {
  /** The number of messages that may wait unread. */
  readonly limit?: number | undefined;
}

/** How a call ends. */
export interface Ending<Result, T> extends Abortable {
  /** Called with the server's answer before the promise resolves; returns what it resolves to. */
  read?: (result: Result) => T;
  /** Called when the call, once made, fails, or its signal aborts it. */
  failed?: (isAborted: boolean) => void;
}

/** What a room needs from its client. */
export interface Link {
  call<Result, T = Result>(event: keyof Events, fields: object, ending: Ending<Result, T>): Promise<T>;
  publish<T = Sent>(event: keyof Events, fields: object, payload: unknown, ending: Ending<Sent, T>): Promise<T>;
  publication(message: Message): Publication;
  onEnd(listener: () => void): () => void;
  report(error: unknown): void;
}

/**
 * A room as one client sees it. Get it from `client.room(name)`; the same name gives the same room.
 */
export class Room implements AsyncIterable<Publication> {
  readonly name: string;
  readonly #link: Link;
  readonly #events: Listeners<RoomEvents>;
  #joined = false;
  /** How often it was entered. */
  #entries = 0;
  /** A use for each `join` that was not given back, oldest first. */
  readonly #uses = new Set<object>();

  /** @internal */
  constructor(name: string, link: Link) {
    this.name = name;
    this.#link = link;
    this.#events = createListeners(link.report);
  }

  /** Whether the connection is in the room now. */
  get joined(): boolean {
    return this.#joined;
  }

  /** Returns a function that removes the listener. */
  on<Name extends keyof RoomEvents>(name: Name, listener: (value: RoomEvents[Name]) => void): () => void {
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
  join({ since, signal }: JoinOptions = {}): Promise<Entered> {
    const use = {};
    if (!signal?.aborted) {
      this.#uses.add(use);
    }
    return this.#link.call<Entered>("join", { room: this.name, since }, {
      signal,
      read: (entered) => {
        this.tell("joined", entered);
        return entered;
      },
      failed: (isAborted) => {
        if (this.#uses.delete(use) && isAborted && this.#uses.size === 0) {
          // The server may have been asked already.
          void this.leave();
        }
      },
    });
  }

  /** Gives back one `join`. The room is left with the last one, or if there was none. */
  leave({ signal }: Abortable = {}): Promise<void> {
    const [oldest] = this.#uses;
    if (oldest) {
      this.#uses.delete(oldest);
    }
    if (this.#uses.size > 0) {
      return Promise.resolve();
    }
    return this.#link.call<object, void>("leave", { room: this.name }, { signal, read: () => this.tell("left", {}) });
  }

  /**
   * Publishes a message, or passes it to the application's handler for this type. Settles when the
   * server has answered; until then it survives reconnects, and is published once. `payload` is a
   * JSON value, or bytes: Uint8Array, ArrayBuffer, Blob.
   */
  send(type: string, payload?: unknown, { key, signal }: SendOptions = {}): Promise<Sent> {
    return this.#link.publish("send", { room: this.name, type, key }, payload, { signal });
  }

  /** Returns who is in the room: at most 1,000 names, and the total. */
  members({ signal }: Abortable = {}): Promise<Members> {
    return this.#link.call("ask", { message: { type: "members", room: this.name } }, { signal });
  }

  /**
   * Returns the publications that the room keeps: those after `since`, oldest first, or the last
   * ones.
   */
  history({ since, limit, signal }: HistoryOptions = {}): Promise<History> {
    const room = this.name;
    const read = (history: Omit<History, "events"> & { events: Message[] }): History => ({
      ...history,
      events: history.events.map((event) => this.#link.publication({ ...fromHistory(event), room })),
    });
    return this.#link.call("ask", { message: { type: "history", room, since, limit } }, { signal, read });
  }

  /**
   * The messages from now on, until the room is left or the client is closed. If more than `limit`
   * wait unread, the iteration fails with `overflow` instead of leaving a hole in the stream.
   */
  messages({ limit = 1_000, signal }: MessagesOptions = {}): AsyncGenerator<Publication, void, void> {
    const unread: Publication[] = [];
    let ended: { error?: unknown } | undefined;
    let wake: (() => void) | undefined;
    const end = (error?: unknown) => {
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
      () => signal?.removeEventListener("abort", abort),
    ];
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) {
      abort();
    }
    return (async function* () {
      try {
        while (unread.length || !ended) {
          if (unread.length) {
            yield unread.shift() as Publication;
          } else {
            await new Promise<void>((resolve) => (wake = resolve));
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

  [Symbol.asyncIterator](): AsyncGenerator<Publication, void, void> {
    return this.messages();
  }

  /** @internal */
  tell<Name extends keyof RoomEvents>(name: Name, value: RoomEvents[Name]): void {
    if (name === "joined" && !this.#joined) {
      // Otherwise it is a further user's, of which only the listeners hear that have not yet.
      this.#entries += 1;
    }
    if (name === "joined" || name === "left") {
      this.#joined = name === "joined";
    }
    this.#events.emit(name, value);
  }

  /** @internal */
  disconnected(): void {
    this.#joined = false;
  }

  /** @internal The server took the client out, or the client was closed: nobody uses the room. */
  forgotten(): void {
    this.#uses.clear();
  }
}
