import { WebSocket as NodeSocket } from "ws";
import { Client, SwitchboardError, type Publication } from "switchboard-client";

const client = new Client("wss://example.test/ws", { token: async () => "token", WebSocket: NodeSocket, buffer: 10 });
new Client("/ws", { user: "alice", WebSocket });
client.connect();

const off: () => void = client.on("state", ({ state, retry_in_ms }) => console.log(state, retry_in_ms?.toFixed()));
off();
// @ts-expect-error There is no such event.
client.on("nothing", () => {});

const room = client.room("lobby");
room.on("message", ({ type, payload, own }) => console.log(type, payload, own));
room.on("gap", ({ dropped }) => dropped.toFixed());
const { position } = await room.join({ since: "00c9f1b2a4d07e35:40" });
position.slice();
const sent = await room.send("chat", { text: "hi" }, { key: "k", signal: AbortSignal.timeout(1_000) });
const eventId: string | undefined = sent.event_id;
await room.send("image", new Blob());
const answer = await client.request<{ ok: boolean }>("move", { x: 1 }, { room: "lobby", timeout: 1_000 });
console.log(answer.ok, eventId);
client.onRequest("confirm", async (payload) => ({ got: payload }));
for await (const message of room) {
  const typed: Publication = message;
  // @ts-expect-error What others send is not known.
  typed.payload.text;
}
try {
  await room.leave();
} catch (error) {
  console.log(error instanceof SwitchboardError && error.code);
}
