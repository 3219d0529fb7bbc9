import { SwitchboardError } from "./error.js";
import { Listeners } from "./listeners.js";
import { Machine } from "./machine.js";
import { snapshot } from "./payload.js";
import { Room, Seat, type Abortable, type Link, type Publication, type RoomEvents, type Sent } from "./room.js";
import type { Action, Actions, Config, Event, Message, Outcome, State, StateChange } from "./vocabulary.js";
import { decode, encode } from "./wire.js";

/** As much of a WebSocket as is used here; that of browsers, of Node.js 22 and of the package `ws` all have it. */
export interface Socket {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
}

export type SocketConstructor = new (url: string, protocols: string[]) => Socket;

export type TokenProvider = () => string | Promise<string>;

export interface ClientOptions extends Partial<Omit<Config, "ask_token" | "seed" | "id_prefix">> {
  /** A token, or what gives one: asked before the first connection, and again when the server refuses a token. */
  readonly token?: string | TokenProvider | undefined;
  /** The name, where anonymous users are allowed. */
  readonly user?: string | undefined;
  /** For where there is no global one, such as Node.js 20: that of the package `ws`. */
  readonly WebSocket?: SocketConstructor | undefined;
}

/** What the server said when it let the client in. */
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

/** A message from user to user. */
export interface Direct {
  readonly from?: string;
  readonly id?: string;
  readonly timestamp: number;
  readonly payload?: unknown;
}

export interface ClientEvents {
  state: StateChange;
  direct: Direct;
  /** The server is about to go away; the connection will be made again after so long. */
  draining: { readonly retry_after_ms: number };
  /** A listener failed, or a message could not be read. Without a listener it goes to the console. */
  error: unknown;
}

export interface RequestOptions extends Abortable {
  readonly room?: string;
  /** In milliseconds, from the call on. */
  readonly timeout?: number;
}

export type RequestHandler = (payload: unknown) => unknown;

const LONGEST_TIMER_MS = 2 ** 31 - 1;
const NO_CODE = [1005, 1006, 1015];

const now = () => Math.floor(performance.now());
const random = () => crypto.getRandomValues(new Uint32Array(2));

export class Client {
  readonly #url: string;
  readonly #user: string | undefined;
  readonly #token: ClientOptions["token"];
  readonly #WebSocket: SocketConstructor;
  readonly #machine: Machine;
  readonly #prefix: string;
  readonly #events = new Listeners<ClientEvents>((error) => this.#report(error));
  readonly #handlers = new Map<string, RequestHandler>();
  readonly #rooms = new Map<string, { room: Room; seat: Seat }>();
  readonly #pending = new Map<number, (outcome: Outcome) => void>();
  readonly #pings = new Map<number, (error?: SwitchboardError) => void>();
  /** Asked for a token: an answer to an earlier question is worth nothing. */
  #asked = 0;
  #ticket = 0;
  #state: State = "idle";
  #greeting: Greeting | undefined;
  #socket: Socket | undefined;
  #queue: Action[] = [];
  #performing = false;
  #reporting = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;
  #stopListening: AbortController | undefined;

  constructor(url: string | URL, { token, user, WebSocket, ...config }: ClientOptions = {}) {
    const constructor = WebSocket ?? (globalThis.WebSocket as SocketConstructor | undefined);
    if (!constructor) {
      throw new SwitchboardError("no_websocket", "there is no WebSocket here; pass one as an option");
    }
    const address = new URL(url, globalThis.location?.href);
    address.protocol = address.protocol.replace("http", "ws");
    if (user !== undefined) {
      address.searchParams.set("user", user);
    }
    this.#url = address.href;
    this.#user = user;
    this.#token = token;
    this.#WebSocket = constructor;
    this.#prefix = Array.from(random(), (part) => part.toString(36)).join("");
    this.#machine = new Machine({ ...config, ask_token: typeof token === "function", seed: random()[0] as number, id_prefix: this.#prefix });
  }

  get state(): State {
    return this.#state;
  }

  /** The name that the server knows this client by. */
  get user(): string | undefined {
    return this.#greeting?.user ?? this.#user;
  }

  /** What the server said when the last connection was opened. */
  get greeting(): Greeting | undefined {
    return this.#greeting;
  }

  /** Connects, and stays connected until `close`, or until the server says not to come back. While waiting to retry: retries now. */
  connect(): void {
    this.#feed({ connect: {} });
  }

  /** Ends everything: what is unanswered fails with `stopped`, and the rooms are forgotten. */
  close(): void {
    this.#feed({ stop: {} });
  }

  /** Gives a function that takes the listener off again. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (value: ClientEvents[Name]) => void): () => void {
    return this.#events.add(name, listener);
  }

  room(name: string): Room {
    return this.#at(name).room;
  }

  /** To every connection of a user. Survives reconnects as `room.send` does; bytes are allowed. */
  async direct(user: string, payload?: unknown, { signal }: Abortable = {}): Promise<void> {
    await this.#sendAny(payload, { to: user, type: "direct" }, { signal }, (ticket, body) => ({ direct: { ticket, to: user, ...body } }));
  }

  /** Asks the application's handler for `method`, once: if the connection is lost meanwhile, that is an error. */
  async request<T = unknown>(method: string, payload?: unknown, { room, timeout, signal }: RequestOptions = {}): Promise<T> {
    const fields = { type: method, ...(room !== undefined && { room }), ...(timeout !== undefined && { timeout_ms: timeout }) };
    const answer = await this.#sendAny(payload, fields, { signal }, (ticket, body) => ({ request: { ticket, ...fields, ...body } }));
    return answer.payload as T;
  }

  /** Answers the server's requests for `method`: with what `handler` returns, or with what it throws as an error. */
  onRequest(method: string, handler: RequestHandler): () => void {
    this.#handlers.set(method, handler);
    return () => {
      if (this.#handlers.get(method) === handler) {
        this.#handlers.delete(method);
      }
    };
  }

  /** How long the server takes to answer, in milliseconds. */
  async ping({ signal }: Abortable = {}): Promise<number> {
    signal?.throwIfAborted();
    if (this.#state !== "open") {
      throw disconnected();
    }
    // What tells one answer from another.
    let timestamp = Date.now();
    while (this.#pings.has(timestamp)) {
      timestamp += 1;
    }
    const start = performance.now();
    await new Promise<void>((resolve, reject) => {
      const done = (error?: unknown) => {
        this.#pings.delete(timestamp);
        signal?.removeEventListener("abort", abort);
        error === undefined ? resolve() : reject(error);
      };
      const abort = () => done(signal?.reason);
      signal?.addEventListener("abort", abort);
      this.#pings.set(timestamp, done);
      this.#perform({ transmit: { type: "health_ping", timestamp } });
    });
    return performance.now() - start;
  }

  // ---- calls ----

  readonly #link: Link = {
    call: (event, options, done) => this.#call(event, options, done),
    send: (room, type, payload, { key, signal }) => {
      const fields = { room, type, ...(key !== undefined && { key }) };
      return this.#sendAny(payload, fields, { signal }, (ticket, body) => ({ send: { ticket, ...fields, ...body } }));
    },
    onEnd: (listener) => this.on("state", ({ state }) => (state === "idle" || state === "closed") && listener()),
    publication: (message) => this.#publication(message),
  };

  async #sendAny(payload: unknown, fields: Message, options: Abortable, event: (ticket: number, body: { payload?: unknown }) => Event): Promise<Sent> {
    // Only a Blob has to be waited for: everything else goes out in the order of the calls.
    const body = snapshot(payload instanceof Blob ? await payload.arrayBuffer() : payload);
    if (body instanceof Uint8Array) {
      // Fails here, and not in the middle of a reconnect, if a name is too long.
      encode({ ...fields, payload: new Uint8Array() });
    }
    return this.#call<Sent>((ticket) => event(ticket, body === undefined ? {} : { payload: body }), options);
  }

  #call<T>(event: (ticket: number) => Event, { signal }: Abortable, done?: (result: T) => void): Promise<T> {
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
          done?.(outcome.ok as T);
          resolve(outcome.ok as T);
        }
      });
      this.#feed(event(ticket));
    });
  }

  // ---- the machine ----

  #feed(event: Event): void {
    this.#perform(...this.#machine.handle(now(), event));
  }

  /** In order, also when a listener calls back into the client. */
  #perform(...actions: Action[]): void {
    this.#queue.push(...actions);
    if (this.#performing) {
      return;
    }
    this.#performing = true;
    for (let action = this.#queue.shift(); action; action = this.#queue.shift()) {
      const [[name, body]] = Object.entries(action) as [[keyof Actions, never]];
      try {
        this.#does[name](body);
      } catch (error) {
        this.#report(error);
      }
    }
    this.#performing = false;
    this.#setTimer();
  }

  readonly #does: { [Name in keyof Actions]: (body: Actions[Name]) => void } = {
    ask_token: () => {
      this.#asked += 1;
      const asked = this.#asked;
      const answer = (event: Event) => asked === this.#asked && this.#feed(event);
      new Promise<string>((resolve) => resolve((this.#token as TokenProvider)())).then(
        (token) => answer({ token: { token } }),
        (error: unknown) => {
          this.#report(error);
          answer({ token: { error: String(error) } });
        },
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
    requested: (request) => void this.#requested(request),
  };

  #setTimer(): void {
    const deadline = this.#machine.nextDeadline() ?? Infinity;
    // A timer that is early does no harm: the tick then does nothing and sets the next one.
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

  #dial({ token, session }: Actions["dial"]): void {
    const url = new URL(this.#url);
    if (session !== undefined) {
      url.searchParams.set("session", session);
    }
    const bearer = token ?? (typeof this.#token === "string" ? this.#token : undefined);
    let socket: Socket;
    try {
      // In the list of subprotocols and not in the URL, because URLs end up in logs.
      socket = new this.#WebSocket(url.href, ["switchboard", ...(bearer === undefined ? [] : [`bearer.${bearer}`])]);
    } catch (error) {
      // The browser does not even try: the token cannot be sent, or the page may not open such a connection.
      this.#feed({ ended: { code: bearer === undefined ? 4003 : 4001, reason: String(error) } });
      return;
    }
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#feed({ opened: {} });
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => this.#received(data);
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      this.#forgetSocket();
      this.#feed({ ended: NO_CODE.includes(code) ? {} : { code, ...(reason && { reason }) } });
    };
    // `close` follows; without a listener, `ws` would throw.
    socket.onerror = () => {};
    this.#socket = socket;
  }

  /** What the old socket still says is not heard. */
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
      this.#report(new SwitchboardError("unreadable", `a message could not be read: ${error}`));
      return;
    }
    if (message.type === "connected") {
      this.#greeting = message as unknown as Greeting;
    } else if (message.type === "health_pong") {
      this.#pings.get(message["timestamp"] as number)?.();
    }
    this.#feed({ received: message });
    if (message.type === "draining") {
      this.#events.emit("draining", message as unknown as ClientEvents["draining"]);
    }
  }

  #disconnected(): void {
    for (const { seat } of this.#rooms.values()) {
      seat.joined = false;
    }
    for (const done of this.#pings.values()) {
      done(disconnected());
    }
  }

  /** A timer may sleep while the device does; these tell that it is awake, or that there is a network again. */
  #watchWakes(watch: boolean): void {
    if (watch === (this.#stopListening !== undefined) || typeof addEventListener !== "function") {
      return;
    }
    this.#stopListening?.abort();
    this.#stopListening = undefined;
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

  #at(name: string): { room: Room; seat: Seat } {
    let at = this.#rooms.get(name);
    if (!at) {
      const seat = new Seat((error) => this.#report(error));
      at = { room: new Room(name, this.#link, seat), seat };
      this.#rooms.set(name, at);
    }
    return at;
  }

  #deliver(message: Message): void {
    const { type, room } = message;
    if (type === "direct") {
      this.#events.emit("direct", message as unknown as Direct);
    } else if (room !== undefined) {
      const { events } = this.#at(room).seat;
      if (type === "member_joined" || type === "member_left" || type === "gap" || type === "refresh") {
        events.emit(type, message as unknown as RoomEvents[typeof type] as never);
      } else {
        events.emit("message", this.#publication(message));
      }
    }
  }

  #publication(message: Message): Publication {
    const { from, id } = message as unknown as Publication;
    const own = from !== undefined && from === this.user && id?.startsWith(`${this.#prefix}-`) === true;
    return { ...(message as unknown as Publication), own };
  }

  async #requested({ id, method, payload }: Actions["requested"]): Promise<void> {
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

  #report(error: unknown): void {
    // What a listener for errors throws must not come back to it.
    const again = this.#reporting;
    this.#reporting = true;
    if (again || !this.#events.emit("error", error)) {
      console.error(error);
    }
    this.#reporting = again;
  }
}

function disconnected(): SwitchboardError {
  return new SwitchboardError("disconnected", "there is no connection");
}
