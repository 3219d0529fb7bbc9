const PATTERN = /^([0-9a-f]{16}):(\d+)$/;

export const isPosition = (text: unknown): text is string => typeof text === "string" && PATTERN.test(text);

/**
 * Returns how far `to` is beyond `from`; more than one step if there is no `from` or its epoch is
 * another.
 */
export function distance(from: string | undefined, to: string): bigint {
  const [, epoch, offset] = PATTERN.exec(from ?? "") ?? [];
  const [, otherEpoch, otherOffset] = PATTERN.exec(to) ?? [];
  // An offset may exceed the integers that a number holds exactly.
  return epoch === otherEpoch ? BigInt(otherOffset as string) - BigInt(offset as string) : 2n;
}
