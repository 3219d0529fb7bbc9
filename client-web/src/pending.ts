import type { Message } from "./vocabulary.js";

/** A message with an id that nothing has answered yet. */
export interface Pending {
  readonly ticket: number;
  readonly message: Message;
  /** The type of its answer, if that is no error. */
  readonly answer: unknown;
  /** When it is given up. */
  readonly due: number;
  /** Whether it outlives its connection. */
  readonly lasting?: boolean | undefined;
  sent?: boolean;
  /** Whether it was sent on an earlier connection. */
  repeated?: boolean;
  /** Whether the server said `rate_limited`, and it waits to be sent again. */
  limited?: boolean;
}

export const isWaiting = ({ sent }: Pending) => !sent;
export const isInFlight = ({ sent, answer }: Pending) => sent && answer !== "left";
export const isLeave = ({ answer }: Pending) => answer === "left";
