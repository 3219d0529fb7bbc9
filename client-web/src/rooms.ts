import { following, isBeyond } from "./position.js";

export interface Room {
  /** What was seen of it; goes into `resume`. */
  position: string | undefined;
  /** Whether the connection is in it. */
  entered: boolean;
  /** Whether this connection's answer to `join` or `resume` is awaited. */
  asked: boolean;
  /** Whether it is to be entered again after a loss. Not so where the server alone put the connection into it. */
  wanted: boolean;
  /** Joins that nothing has answered yet. */
  tickets: number[];
}

/** The rooms that are wanted or entered, in the order of their first join. */
export class Rooms {
  readonly #rooms = new Map<string, Room>();

  get(name: string | undefined): Room | undefined {
    return name === undefined ? undefined : this.#rooms.get(name);
  }

  open(name: string): Room {
    let room = this.#rooms.get(name);
    if (!room) {
      room = { position: undefined, entered: false, asked: false, wanted: false, tickets: [] };
      this.#rooms.set(name, room);
    }
    return room;
  }

  delete(name: string): void {
    this.#rooms.delete(name);
  }

  clear(): void {
    this.#rooms.clear();
  }

  /** The connection is gone, and with it every seat. */
  lost(): void {
    for (const [name, room] of this.#rooms) {
      room.entered = room.asked = false;
      if (!room.wanted) {
        this.#rooms.delete(name);
      }
    }
  }

  /** What a `resume` asks for. */
  resume(): { room: string; last_event_id?: string }[] {
    const rooms = [];
    for (const [name, room] of this.#rooms) {
      if (!room.entered) {
        room.asked = true;
        rooms.push(entry(name, room));
      }
    }
    return rooms;
  }

  /** Takes the tickets of all joins that nothing has answered. */
  takeTickets(): number[] {
    return [...this.#rooms.values()].flatMap((room) => room.tickets.splice(0));
  }

  forgetTicket(ticket: number): void {
    for (const room of this.#rooms.values()) {
      room.tickets = room.tickets.filter((one) => one !== ticket);
    }
  }

  /** Moves the position of a room on; false if that is no news. */
  advance(name: string | undefined, position: unknown): boolean {
    const room = this.get(name);
    if (room && typeof position === "string") {
      if (!isBeyond(position, room.position)) {
        return false;
      }
      room.position = position;
    }
    return true;
  }

  /** An own publication without an echo is the next one, if nothing came between. */
  acknowledge(name: string | undefined, position: unknown): void {
    const room = this.get(name);
    if (room?.position !== undefined && position === following(room.position)) {
      room.position = position;
    }
  }
}

export function entry(room: string, { position }: Room): { room: string; last_event_id?: string } {
  return position === undefined ? { room } : { room, last_event_id: position };
}
