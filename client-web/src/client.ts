import { SwitchboardError } from "./error.js";
import { createListeners } from "./listeners.js";
import { createMachine, type Machine } from "./machine.js";
import { Room, type Abortable, type Link, type Publication, type RoomEvents } from "./room.js";
import type { Action, Actions, Config, Event, Events, Message, Outcome, State, StateChange } from "./vocabulary.js";
import { decode, encode, snapshot } from "./wire.js";

/**
 * The part of a WebSocket that is used here; those of browsers, of Node.js 22 and of the package
 * `ws` all have it.
 */
export interface Socket {
  binaryType: string;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
}

export type SocketConstructor = new (url: string, protocols: string[]) => Socket;

export type TokenProvider = () => string | Promise<string>;

export interface ClientOptions extends Partial<Omit<Config, "ask_token" | "seed" | "id_prefix">> {
  /**
   * A token, or a function that gives one: called before the first connection, and again when the
   * server refuses a token.
   */
  readonly token?: string | TokenProvider | undefined;
  /** The user's name, where anonymous users are allowed. */
  readonly user?: string | undefined;
  /**
   * For environments without a global WebSocket, such as Node.js 20: pass the one of the package
   * `ws`.
   */
  readonly WebSocket?: SocketConstructor | undefined;
}

/** The server's `connected` message. */
export interface Greeting {
  readonly client_id: string;
  readonly user: string;
  readonly heartbeat: { readonly interval_ms: number; readonly stale_after_ms: number };
  readonly limits: {
    readonly max_message_bytes: number;
    readonly max_rooms: number;
    readonly messages_per_second: number;
    readonly message_burst: number;
  };
}

/** A message from one user to another. */
export interface Direct {
  readonly from?: string;
  readonly id?: string;
  readonly timestamp: number;
  readonly payload?: unknown;
}

export interface ClientEvents {
  state: StateChange;
  direct: Direct;
  /** The server is about to shut down; the client reconnects after this time. */
  draining: { readonly retry_after_ms: number };
  /** The server answered a `wake`. */
  health_pong: object;
  /**
   * A listener failed, or a message could not be read. Without a listener it is logged to the
   * console.
   */
  error: unknown;
}

export interface RequestOptions extends Abortable {
  readonly room?: string | undefined;
  /** In milliseconds, from the call. */
  readonly timeout?: number | undefined;
}

export type RequestHandler = (payload: unknown) => unknown;

/** A timer holds less than 2^31; waking up early is harmless. */
const LONGEST_TIMER_MS = 1_000_000_000;
const WAKES = ["online", "pageshow", "visibilitychange"];

const random = () => crypto.getRandomValues(new Uint32Array(2));

export class Client {
  readonly #url: URL;
  readonly #token: ClientOptions["token"];
  readonly #WebSocket: SocketConstructor;
  readonly #machine: Machine;
  readonly #prefix = random().join("-");
  readonly #events = createListeners<ClientEvents>((error, name) => {
    // An error thrown by a listener for errors must not be reported to it again.
    if (name === "error") {
      console.error(error);
    } else {
      this.#link.report(error);
    }
  });
  readonly #handlers = new Map<string, RequestHandler>();
  readonly #rooms = new Map<string, Room>();
  readonly #pending = new Map<number, (outcome: Outcome) => void>();
  /** Pending work; the first is in progress. */
  readonly #queue: Action[] = [];
  #tickets = 0;
  #tokensAsked = 0;
  #state: State = "idle";
  #greeting: Greeting | undefined;
  #socket: Socket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `url` may be relative to the page, and may begin with http as well as with ws. */
  constructor(url: string | URL, { token, user, WebSocket = globalThis.WebSocket as SocketConstructor, ...config }: ClientOptions = {}) {
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
    this.#machine = createMachine({ ...config, ask_token: typeof token === "function", seed: random()[0] as number, id_prefix: this.#prefix });
  }

  get state(): State {
    return this.#state;
  }

  /** The server's last `connected` message. */
  get greeting(): Greeting | undefined {
    return this.#greeting;
  }

  /**
   * Connects, and stays connected until `close`, or until the server says not to reconnect. While
   * waiting to retry: retries now.
   */
  connect(): void {
    this.#watch("addEventListener");
    this.#feed({ connect: {} });
  }

  /**
   * Call this when the device woke up or the network changed: while waiting, it retries now; while
   * open, it checks whether the server is still there, which has 5 s to give a sign of life.
   * Browser events that mean this are handled already.
   */
  wake(): void {
    this.#feed({ wake: {} });
  }

  /** Ends everything: all that is unanswered fails with `stopped`, and the rooms are forgotten. */
  close(): void {
    this.#watch("removeEventListener");
    this.#feed({ stop: {} });
  }

  /** Returns a function that removes the listener. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (value: ClientEvents[Name]) => void): () => void {
    return this.#events.add(name, listener);
  }

  room(name: string): Room {
    let room = this.#rooms.get(name);
    if (!room) {
      this.#rooms.set(name, (room = new Room(name, this.#link)));
    }
    return room;
  }

  /**
   * Sends to every connection of a user. Survives reconnects like `room.send`; bytes are allowed.
   */
  async direct(user: string, payload?: unknown, { signal }: Abortable = {}): Promise<void> {
    await this.#link.publish("direct", { to: user }, payload, signal);
  }

  /**
   * Asks the application's handler for `method`, once: if the connection is lost before the answer,
   * that is an error.
   */
  async request<T = unknown>(method: string, payload?: unknown, { room, timeout, signal }: RequestOptions = {}): Promise<T> {
    const answer = await this.#link.publish("request", { type: method, room, timeout_ms: timeout }, payload, signal);
    return answer.payload as T;
  }

  /**
   * Answers the server's requests for `method` with what `handler` returns, or with the error it
   * throws.
   */
  onRequest(method: string, handler: RequestHandler): () => void {
    this.#handlers.set(method, handler);
    return () => void (this.#handlers.get(method) === handler && this.#handlers.delete(method));
  }

  // ---- calls ----

  readonly #link: Link = {
    call: (event, fields, signal, done) =>
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
        };
        signal?.addEventListener("abort", abort);
        this.#pending.set(ticket, (outcome) => {
          forget();
          if ("error" in outcome) {
            reject(new SwitchboardError(outcome.error.code, outcome.error.message));
          } else {
            done?.(outcome.ok as never);
            resolve(outcome.ok as never);
          }
        });
        this.#feed({ [event]: { ticket, ...fields } } as Event);
      }),

    publish: async (event, fields, payload, signal) => {
      // Only a Blob has to be waited for: everything else is sent in the order of the calls.
      const message = { ...fields, payload: snapshot(payload instanceof Blob ? await payload.arrayBuffer() : payload) };
      // Invalid payloads fail here, and not in the middle of a reconnect.
      encode(message as unknown as Message);
      return this.#link.call(event, message, signal);
    },

    publication: (message) => {
      const { from, id } = message as unknown as Publication;
      const own = from === this.#greeting?.user && !!id?.startsWith(this.#prefix);
      return { ...(message as unknown as Publication), own };
    },

    onEnd: (listener) => this.on("state", ({ state }) => (state === "idle" || state === "closed") && listener()),

    report: (error) => {
      if (!this.#events.emit("error", error)) {
        console.error(error);
      }
    },
  };

  // ---- the machine ----

  #feed(event: Event): void {
    // A listener may call back into the client: the resulting work has to wait for its turn.
    const isBusy = this.#queue.length > 0;
    this.#queue.push(...this.#machine.handle(Math.floor(performance.now()), event));
    if (isBusy) {
      return;
    }
    for (; this.#queue[0]; this.#queue.shift()) {
      const [[name, body]] = Object.entries(this.#queue[0]) as [[keyof Actions, never]];
      try {
        this.#perform[name](body);
      } catch (error) {
        this.#link.report(error);
      }
    }
    clearTimeout(this.#timer);
    const deadline = this.#machine.nextDeadline();
    if (deadline < Infinity) {
      this.#timer = setTimeout(() => this.#feed({ tick: {} }), Math.min(LONGEST_TIMER_MS, deadline - performance.now()));
    }
  }

  readonly #perform: { [Name in keyof Actions]: (body: Actions[Name]) => void } = {
    ask_token: async () => {
      const asked = ++this.#tokensAsked;
      let answer: Events["token"];
      try {
        answer = { token: await (this.#token as TokenProvider)() };
      } catch (error) {
        answer = { error: String(error) };
      }
      // An answer to an earlier question is stale.
      if (asked === this.#tokensAsked) {
        this.#feed({ token: answer });
      }
    },

    dial: ({ token = this.#token, session }) => {
      const url = new URL(this.#url);
      if (session) {
        url.searchParams.set("session", session);
      }
      // Among the subprotocols and not in the URL, because URLs end up in logs.
      const protocols = ["switchboard"];
      if (token) {
        protocols.push(`bearer.${token}`);
      }
      let socket: Socket;
      try {
        socket = new this.#WebSocket(url.href, protocols);
      } catch (error) {
        // Nothing was dialled: the token cannot be sent, or this page may not open such a
        // connection.
        this.#feed({ ended: { code: token ? 4001 : 4003, reason: String(error) } });
        return;
      }
      this.#socket = socket;
      socket.binaryType = "arraybuffer";
      socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => this.#received(data);
      socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
        this.#forgetSocket();
        this.#feed({ ended: { code, reason: reason || undefined } });
      };
      // `close` follows; without a listener, `ws` would throw.
      socket.onerror = () => {};
    },

    transmit: (message) => this.#socket?.send(encode(message)),
    drop: ({ code }) => this.#forgetSocket()?.close(code),

    state: (change) => {
      this.#state = change.state;
      for (const room of this.#rooms.values()) {
        room.disconnected();
      }
      this.#events.emit("state", change);
    },

    settled: ({ ticket, ...outcome }) => this.#pending.get(ticket)?.(outcome),

    deliver: (message) => {
      const { type, room } = message;
      if (room === undefined) {
        this.#events.emit("direct", message as unknown as Direct);
      } else if (message["event_id"] === undefined) {
        this.room(room).tell(type as keyof RoomEvents, message as never);
      } else {
        this.room(room).tell("message", this.#link.publication(message));
      }
    },

    room: ({ room, ...news }) => {
      const [[name, value]] = Object.entries(news) as [["joined", never]];
      this.room(room).tell(name, value);
    },

    requested: async ({ id, method, payload }) => {
      try {
        const handler = this.#handlers.get(method);
        if (!handler) {
          throw new SwitchboardError("unknown_method", method);
        }
        this.#feed({ reply: { id, payload: snapshot((await handler(payload)) ?? null) } });
      } catch (error) {
        const isMeant = error instanceof SwitchboardError;
        if (!isMeant) {
          this.#link.report(error);
        }
        this.#feed({ reply: { id, error: { code: isMeant ? error.code : "internal", message: String((error as Error)?.message) } } });
      }
    },
  };

  /** Detaches the old socket, whose further events are ignored. */
  #forgetSocket(): Socket | undefined {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket) {
      socket.onmessage = socket.onclose = null;
    }
    return socket;
  }

  #received(data: string | ArrayBuffer): void {
    let message: Message;
    try {
      message = decode(data);
    } catch (error) {
      this.#feed({ alive: {} });
      this.#link.report(new SwitchboardError("unreadable", String(error)));
      return;
    }
    if (message.type === "connected") {
      this.#greeting = message as unknown as Greeting;
    }
    this.#feed({ received: message });
    if (message.type === "draining" || message.type === "health_pong") {
      this.#events.emit(message.type, message as never);
    }
  }

  /**
   * A timer may sleep while the device does; these events report that it is awake, or that the
   * network is back.
   */
  #watch(method: "addEventListener" | "removeEventListener"): void {
    for (const name of WAKES) {
      globalThis[method]?.(name, this.#shown);
    }
  }

  readonly #shown = (): void => {
    if (!globalThis.document?.hidden) {
      this.wake();
    }
  };
}
