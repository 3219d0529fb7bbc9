import { distance } from "./position.js";

/** A wanted room: it is entered, or will be. */
export interface Room {
  readonly room: string;
  /** The last position seen. */
  position?: string | undefined;
  /**
   * What the next `resume` says: own publications without an echo are not seen, but need not be
   * sent again.
   */
  from?: string | undefined;
  entered?: boolean;
  /** Whether it was ever entered. */
  known?: boolean;
  /** The pending question: `resume`, or the id of a `join`. */
  asked?: string | undefined;
  /** Unanswered joins. */
  tickets: number[];
}

/** In the order in which they became wanted. */
export type Rooms = Map<unknown, Room>;

export const RESUME = "resume";

export function open(rooms: Rooms, name: string): Room {
  let room = rooms.get(name);
  if (!room) {
    rooms.set(name, (room = { room: name, tickets: [] }));
  }
  return room;
}

/** Encodes a room and its last position for the wire. */
export const place = ({ room, from }: Room) => ({ room, last_event_id: from });

/** Advances a room to `position`; returns false if that is not an advance. */
export function advance(room: Room, position: string): boolean {
  if (distance(room.position, position) <= 0n) {
    return false;
  }
  room.position = position;
  if (distance(room.from, position) > 0n) {
    room.from = position;
  }
  return true;
}
