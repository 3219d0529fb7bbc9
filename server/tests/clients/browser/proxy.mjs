// A network between a client and a server, for what happens to one: connections are reset, go silent, or are refused.

import net from "node:net";
import { once } from "node:events";

export class Network {
  #pairs = new Set();
  #server = net.createServer((near) => this.#accept(near));
  /** The server's port. */
  target;
  /** While it is not, connections are refused. */
  up = true;

  /** For the test `t`; it is torn down with it. */
  static async start(t, target) {
    const network = new Network();
    network.target = target;
    network.#server.listen(0, "127.0.0.1");
    await once(network.#server, "listening");
    network.url = `http://127.0.0.1:${network.#server.address().port}/`;
    t.after(() => {
      network.#server.close();
      network.reset();
    });
    return network;
  }

  #accept(near) {
    if (!this.up) {
      near.resetAndDestroy();
      return;
    }
    const far = net.connect({ host: "127.0.0.1", port: this.target });
    const pair = { ends: [near, far], frozen: false };
    this.#pairs.add(pair);
    for (const [end, other] of [[near, far], [far, near]]) {
      end.setNoDelay(true);
      end.on("error", () => {});
      end.on("data", (data) => !other.write(data) && end.pause());
      other.on("drain", () => !pair.frozen && end.resume());
      end.on("close", () => {
        // Behind a connection that is frozen the other side hears of nothing.
        if (!pair.frozen) {
          other.destroy();
          this.#pairs.delete(pair);
        }
      });
    }
  }

  /** Ends every connection by a reset, the frozen ones too. */
  reset() {
    for (const { ends } of this.#pairs) {
      ends.forEach((end) => end.resetAndDestroy());
    }
    this.#pairs.clear();
  }

  /** The connections that there are pass nothing on any more, and neither side is told. New ones work. */
  freeze() {
    for (const pair of this.#pairs) {
      pair.frozen = true;
      pair.ends.forEach((end) => end.pause());
    }
  }

  /** What was frozen goes on, with everything that was sent meanwhile. */
  thaw() {
    for (const pair of this.#pairs) {
      pair.frozen = false;
      pair.ends.forEach((end) => end.resume());
    }
  }

  /** How many connections there are, frozen ones included. */
  get size() {
    return this.#pairs.size;
  }
}
