// The entry of the plain script, for pages without modules.

import { Client } from "./client.js";
import { SwitchboardError } from "./error.js";

Object.assign(globalThis, { Switchboard: { Client, SwitchboardError } });
