export {
  Client,
  type ClientEvents,
  type ClientOptions,
  type Direct,
  type Greeting,
  type RequestHandler,
  type RequestOptions,
  type Socket,
  type SocketConstructor,
  type TokenProvider,
} from "./client.js";
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
