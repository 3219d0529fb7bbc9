import { distance } from "./position.js";

/** A room that is wanted: it is entered, or will be. */
export interface Room {
  readonly room: string;
  /** What was seen of it. */
  position?: string | undefined;
  /** What the next `resume` says: own publications without an echo are not seen, but need not come again. */
  from?: string | undefined;
  entered?: boolean;
  /** Whether it was ever entered. */
  known?: boolean;
  /** Who was asked to let us in and has not answered: `resume`, or the id of a `join`. */
  asked?: string | undefined;
  /** Joins that nothing has answered yet. */
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

/** How the wire names a room and where it was left. */
export const place = ({ room, from }: Room) => ({ room, last_event_id: from });

/** Moves a room on to `position`; false if that is no news. */
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
