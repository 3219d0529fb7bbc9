export type {
  ClientEvents,
  ClientOptions,
  Direct,
  Greeting,
  RequestHandler,
  RequestOptions,
  Socket,
  SocketConstructor,
  TokenProvider,
} from "./api.js";
export { Client } from "./client.js";
export { SwitchboardError } from "./error.js";
export {
  Room,
  type Abortable,
  type Gap,
  type History,
  type Members,
  type Presence,
  type Publication,
  type Refresh,
  type RoomEvents,
  type SendOptions,
  type Sent,
} from "./room.js";
export type { Entered, Problem, State, StateChange } from "./vocabulary.js";
