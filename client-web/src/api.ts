// What an application passes to a client, and gets from it.

import type { Abortable } from "./room.js";
import type { Config, StateChange } from "./vocabulary.js";

/**
 * The part of a WebSocket that is used here; those of browsers, of Node.js 22 and of the package
 * `ws` all have it.
 */
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
  /**
   * A token, or a function that gives one. It is called before the first connection, when the server
   * refuses a token, and after every attempt that failed before it opened: a page is not told why
   * that was, and the token may be the reason. It need not cache.
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
  /** The protocol's version; missing from older servers. */
  readonly protocol?: number;
  /** What the server has beyond the first version of the protocol; missing from older servers. */
  readonly features?: readonly string[];
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
