import type { Message } from "./vocabulary.js";

/** `send` goes out again until it is answered; a `request` never does; `join` and `leave` belong to one connection. */
export type Kind = "send" | "request" | "join" | "leave";

export interface Pending {
  readonly kind: Kind;
  readonly message: Message;
  readonly ticket: number;
  /** When a request is given up. */
  readonly due: number;
  sent: boolean;
  /** Whether the server said `rate_limited`, and it waits to be sent again. */
  limited: boolean;
}

/** Every message with an id that nothing has answered yet, in the order of the calls. */
export class Outgoing {
  readonly #prefix: string;
  readonly #pending = new Map<string, Pending>();
  #count = 0;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  add(kind: Kind, ticket: number, message: Message, due = Infinity): Pending {
    this.#count += 1;
    const id = `${this.#prefix}-${this.#count}`;
    const pending = { kind, ticket, message: { ...message, id }, due, sent: false, limited: false };
    this.#pending.set(id, pending);
    return pending;
  }

  get(id: string | undefined): Pending | undefined {
    return id === undefined ? undefined : this.#pending.get(id);
  }

  /** Takes out the one with this id. */
  delete(id: string): void {
    this.#pending.delete(id);
  }

  /** Takes out those for which `which` holds. */
  take(which: (pending: Pending) => boolean): Pending[] {
    const taken = this.list(which);
    for (const { message } of taken) {
      this.#pending.delete(message.id as string);
    }
    return taken;
  }

  list(which: (pending: Pending) => boolean): Pending[] {
    return [...this.#pending.values()].filter(which);
  }

  count(which: (pending: Pending) => boolean): number {
    return this.list(which).length;
  }
}

export const isWaiting = ({ sent }: Pending): boolean => !sent;
export const isInFlight = ({ kind, sent }: Pending): boolean => sent && kind === "send";
