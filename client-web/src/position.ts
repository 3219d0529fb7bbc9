/** How far `to` is beyond `from`, both "epoch:offset"; undefined if that means nothing, because an epoch is another. */
export function distance(from: string, to: string): bigint | undefined {
  const [epoch, offset] = from.split(":");
  const [otherEpoch, otherOffset] = to.split(":");
  // An offset may be more than a number holds exactly.
  return epoch === otherEpoch ? BigInt(otherOffset as string) - BigInt(offset as string) : undefined;
}
