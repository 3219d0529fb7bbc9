// A React hook for one room: its last messages, who is in it, and whether it is joined.

import { useCallback, useEffect, useState } from "react";
import type { Client, Publication } from "switchboard-client";

const KEPT = 200;

export interface RoomState {
  readonly messages: readonly Publication[];
  readonly members: readonly string[];
  readonly joined: boolean;
  /** Why the room cannot be entered. */
  readonly problem: string | undefined;
  /** Whether something was missed: show it, and fetch anew what the messages build up. */
  readonly incomplete: boolean;
  readonly send: (type: string, payload?: unknown) => Promise<unknown>;
}

/** `client` must be the same one on every rendering: make it once, outside of the component. */
export function useRoom(client: Client, name: string): RoomState {
  const [messages, setMessages] = useState<readonly Publication[]>([]);
  const [members, setMembers] = useState<readonly string[]>([]);
  const [joined, setJoined] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [incomplete, setIncomplete] = useState(false);

  useEffect(() => {
    const room = client.room(name);
    const askForMembers = () => room.members().then(({ members }) => setMembers(members), () => {});
    const offs = [
      room.on("joined", () => {
        setJoined(true);
        setProblem(undefined);
        void askForMembers();
      }),
      room.on("left", ({ message }) => {
        setJoined(false);
        setProblem(message);
      }),
      room.on("message", (message) => setMessages((before) => [...before, message].slice(-KEPT))),
      room.on("member_joined", ({ user }) => setMembers((before) => [...new Set([...before, user])])),
      room.on("member_left", ({ user }) => setMembers((before) => before.filter((one) => one !== user))),
      room.on("gap", () => setIncomplete(true)),
      room.on("refresh", () => setIncomplete(true)),
      client.on("state", ({ state }) => state !== "open" && setJoined(false)),
    ];
    const controller = new AbortController();
    const entering = room.join({ signal: controller.signal });
    entering.catch((error: Error) => {
      if (!controller.signal.aborted) {
        setProblem(error.message);
      }
    });
    return () => {
      offs.forEach((off) => off());
      // Gives back the one `join`: other components may use the room, too.
      controller.abort();
      void entering.then(() => room.leave(), () => {});
      setMessages([]);
      setMembers([]);
      setJoined(false);
      setIncomplete(false);
    };
  }, [client, name]);

  const send = useCallback((type: string, payload?: unknown) => client.room(name).send(type, payload), [client, name]);
  return { messages, members, joined, problem, incomplete, send };
}
