const PATTERN = /^([0-9a-f]{16}):(\d+)$/;

export const isPosition = (text: unknown): text is string => typeof text === "string" && PATTERN.test(text);

/** How far `to` is beyond `from`; more than a step where that means nothing, because there is no `from` or its epoch is another. */
export function distance(from: string | undefined, to: string): bigint {
  const [, epoch, offset] = PATTERN.exec(from ?? "") ?? [];
  const [, otherEpoch, otherOffset] = PATTERN.exec(to) ?? [];
  // An offset may be more than a number holds exactly.
  return epoch === otherEpoch ? BigInt(otherOffset as string) - BigInt(offset as string) : 2n;
}
