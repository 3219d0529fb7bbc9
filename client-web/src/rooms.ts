import { distance } from "./position.js";

export interface Room {
  readonly room: string;
  /** What was seen of it; goes into `resume`. */
  position?: string | undefined;
  /** Whether the connection is in it, or this connection's answer to `join` or `resume` is awaited. */
  seat?: "asked" | "entered" | undefined;
  /** Whether it is to be entered again after a loss. Not so where the server alone put the connection into it. */
  wanted?: boolean;
  /** Joins that nothing has answered yet. */
  tickets: number[];
}

/** The rooms that are wanted or entered, in the order of their first join. */
export type Rooms = Map<string | undefined, Room>;

export function open(rooms: Rooms, name: string): Room {
  let room = rooms.get(name);
  if (!room) {
    rooms.set(name, (room = { room: name, tickets: [] }));
  }
  return room;
}

/** How the wire names a room and where it was left. */
export const place = ({ room, position }: Room) => ({ room, last_event_id: position });

/** Moves a room on to `position`; false if that is no news. */
export function advance(room: Room | undefined, position: unknown): boolean {
  if (room && typeof position === "string") {
    if (room.position !== undefined && (distance(room.position, position) ?? 1n) <= 0n) {
      return false;
    }
    room.position = position;
  }
  return true;
}

/** An own publication without an echo is the next one, if nothing came between. */
export function acknowledge(room: Room | undefined, position: unknown): void {
  if (room?.position !== undefined && typeof position === "string" && distance(room.position, position) === 1n) {
    room.position = position;
  }
}
