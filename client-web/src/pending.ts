import type { Message } from "./vocabulary.js";

/** An unanswered message with an id. */
export interface Pending {
  readonly ticket: number;
  readonly message: Message;
  /** The type of its answer, unless that is an error. */
  readonly answer: unknown;
  /** When it times out. */
  readonly due: number;
  /** Whether it outlives its connection. */
  readonly lasting?: boolean | undefined;
  sent?: boolean;
  /** Whether it was sent on an earlier connection. */
  repeated?: boolean;
  /** Whether the server answered `rate_limited`, and it waits to be sent again. */
  limited?: boolean;
}

export const isWaiting = ({ sent }: Pending) => !sent;
export const isInFlight = ({ sent, answer }: Pending) => sent && answer !== "left";
export const isLeave = ({ answer }: Pending) => answer === "left";
