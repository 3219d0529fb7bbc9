import type { Message } from "./vocabulary.js";

/** `send` goes out again until it is answered; a `request` never does; `join` and `leave` belong to one connection. */
export type Kind = "send" | "request" | "join" | "leave";

export interface Pending {
  readonly kind: Kind;
  readonly message: Message;
  readonly ticket: number;
  /** When a request is given up. */
  readonly due: number;
  sent?: boolean;
  /** Whether the server said `rate_limited`, and it waits to be sent again. */
  limited?: boolean;
}

export interface Outgoing {
  add(kind: Kind, ticket: number, message: Message, due?: number): Pending;
  get(id: string): Pending | undefined;
  list(which: (pending: Pending) => unknown): Pending[];
  /** Takes out those for which `which` holds. */
  take(which: (pending: Pending) => unknown): Pending[];
}

/** Every message with an id that nothing has answered yet, in the order of the calls. */
export function createOutgoing(prefix: string): Outgoing {
  const pending = new Map<string, Pending>();
  let count = 0;

  const list: Outgoing["list"] = (which) => [...pending.values()].filter(which);
  return {
    add(kind, ticket, message, due = Infinity) {
      count += 1;
      const id = `${prefix}-${count}`;
      const one: Pending = { kind, ticket, message: { ...message, id }, due };
      pending.set(id, one);
      return one;
    },
    get: (id) => pending.get(id),
    list,
    take(which) {
      const taken = list(which);
      for (const { message } of taken) {
        pending.delete(message.id as string);
      }
      return taken;
    },
  };
}

export const isWaiting = ({ sent }: Pending) => !sent;
export const isInFlight = ({ kind, sent }: Pending) => sent && kind === "send";
