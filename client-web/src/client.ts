import type {
  ClientEvents,
  ClientOptions,
  Direct,
  Greeting,
  RequestHandler,
  RequestOptions,
  Socket,
  SocketConstructor,
  TokenProvider,
} from "./api.js";
import { SwitchboardError } from "./error.js";
import { createListeners } from "./listeners.js";
import { createMachine, type Machine } from "./machine.js";
import { readRefusal, type NodeSocket } from "./refusal.js";
import { Room, type Abortable, type Link, type Publication, type RoomEvents, type Sent } from "./room.js";
import type { Action, Actions, Event, Events, Message, Outcome, State } from "./vocabulary.js";
import { decode, encode, snapshot } from "./wire.js";

/** A timer holds less than 2^31; waking up early is harmless. */
const LONGEST_TIMER_MS = 1_000_000_000;
/** How long, at most, what has arrived is read before a late timer is acted on. */
const READ_FIRST_MS = 1_000;
const NEVER_OPENED_AFTER = 3;
const NEVER_OPENED = "never opened: origin, token or address?";
/** What a browser reports instead of a reason. */
const ABNORMAL = 1006;
const WAKES = ["online", "pageshow", "visibilitychange"];

/** Keeps the rejection of a call that nobody awaits, as in a cleanup, from ending a Node process. */
function harmless<T>(call: Promise<T>): Promise<T> {
  call.catch(() => {});
  return call;
}

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
  /** Whether the timer is one that lets what has arrived be read first. */
  #isReading = false;
  /** Attempts since `connect`, until one opens. */
  #unopened = 0;

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

  /** What the server has beyond the first version of the protocol, by the last `connected`. */
  get features(): readonly string[] {
    return this.#greeting?.features ?? [];
  }

  /** Whether the server listed this word; do not use what it did not list. */
  supports(feature: string): boolean {
    return this.features.includes(feature);
  }

  /**
   * Connects, and stays connected until `close`, or until the server says not to reconnect. While
   * waiting to retry: retries now.
   */
  connect(): void {
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
  wake(): void {
    this.#feed({ wake: {} });
  }

  /** Ends everything: all that is unanswered fails with `stopped`, and the rooms are forgotten. */
  close(): void {
    this.#watch("removeEventListener");
    this.#feed({ stop: {} });
    for (const room of this.#rooms.values()) {
      room.forgotten();
    }
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
  direct(user: string, payload?: unknown, { signal }: Abortable = {}): Promise<void> {
    return this.#link.publish("direct", { to: user }, payload, { signal, read: () => {} });
  }

  /**
   * Asks the application's handler for `method`, once: if the connection is lost before the answer,
   * that is an error.
   */
  request<T = unknown>(method: string, payload?: unknown, { room, timeout, signal }: RequestOptions = {}): Promise<T> {
    const read = (answer: Sent) => answer.payload as T;
    return this.#link.publish("request", { type: method, room, timeout_ms: timeout }, payload, { signal, read });
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
    call: (event, fields, { signal, read, failed }) =>
      harmless(
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
              resolve(read ? read(outcome.ok as never) : (outcome.ok as never));
            }
          });
          this.#feed({ [event]: { ticket, ...fields } } as Event);
        }),
      ),

    publish: (event, fields, payload, how) => {
      // Only a Blob has to be waited for: everything else is sent in the order of the calls.
      if (payload instanceof Blob) {
        return harmless(payload.arrayBuffer().then((bytes) => this.#link.publish(event, fields, bytes, how)));
      }
      const message = { ...fields, payload: undefined as unknown };
      try {
        message.payload = snapshot(payload);
        // Invalid payloads fail here, and not in the middle of a reconnect.
        encode(message as unknown as Message);
      } catch (error) {
        // A mistake of the caller: if nobody awaits it, it is to be noticed all the same.
        return Promise.reject(error);
      }
      return this.#link.call(event, message, how);
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
    this.#setTimer();
  }

  #setTimer(): void {
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
  #due(deadline: number): void {
    this.#isReading = true;
    this.#timer = setTimeout(
      () => {
        this.#isReading = false;
        this.#feed({ tick: {} });
      },
      Math.min(READ_FIRST_MS, performance.now() - deadline),
    );
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
      this.#unopened += 1;
      socket.onopen = () => {
        // From now on the server is known to be there, whatever fails.
        this.#unopened = -Infinity;
        this.#feed({ opened: {} });
      };
      readRefusal(socket as NodeSocket, (refusal) => {
        if (socket === this.#socket) {
          this.#forgetSocket()?.close();
          this.#feed({ refused: refusal });
        }
      });
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
      if (room === undefined) {
        this.#events.emit("direct", message as unknown as Direct);
      } else if (message["event_id"] === undefined) {
        this.room(room).tell(type as keyof RoomEvents, message as never);
      } else {
        this.room(room).tell("message", this.#link.publication(message));
      }
    },

    room: ({ room, ...news }) => {
      if ("left" in news) {
        this.room(room).forgotten();
      }
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
      socket.onopen = socket.onmessage = socket.onclose = null;
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
