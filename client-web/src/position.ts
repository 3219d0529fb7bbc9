// Positions, "epoch:offset". An offset may be beyond what a number holds exactly, so it is compared as text.

function split(position: string): [epoch: string, offset: string] {
  const colon = position.lastIndexOf(":");
  return [position.slice(0, colon), position.slice(colon + 1)];
}

/** Whether `position` tells something new to somebody who is at `known`. Another epoch always does. */
export function isBeyond(position: string, known: string | undefined): boolean {
  if (known === undefined) {
    return true;
  }
  const [epoch, offset] = split(position);
  const [knownEpoch, knownOffset] = split(known);
  return epoch !== knownEpoch || offset.length > knownOffset.length || (offset.length === knownOffset.length && offset > knownOffset);
}

/** The position that follows. */
export function following(position: string): string {
  const [epoch, offset] = split(position);
  return `${epoch}:${BigInt(offset) + 1n}`;
}
