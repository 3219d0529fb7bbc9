// A network between a client and a server that fails on request: connections are reset, silenced or
// refused.

import net from "node:net";
import { once } from "node:events";

export class Network {
  #pairs = new Set();
  #server = net.createServer((near) => this.#accept(near));
  /** The port of the server. */
  target;
  /** While false, connections are refused. */
  up = true;

  /** Starts a network for the test `t`, which closes it at the end. */
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
        // The other side does not see the end of a frozen connection.
        if (!pair.frozen) {
          other.destroy();
          this.#pairs.delete(pair);
        }
      });
    }
  }

  /** Resets every connection, including frozen ones. */
  reset() {
    for (const { ends } of this.#pairs) {
      ends.forEach((end) => end.resetAndDestroy());
    }
    this.#pairs.clear();
  }

  /**
   * Freezes the open connections: they forward nothing, and neither side is told. New ones work.
   */
  freeze() {
    for (const pair of this.#pairs) {
      pair.frozen = true;
      pair.ends.forEach((end) => end.pause());
    }
  }

  /** Unfreezes connections, and forwards everything that was sent meanwhile. */
  thaw() {
    for (const pair of this.#pairs) {
      pair.frozen = false;
      pair.ends.forEach((end) => end.resume());
    }
  }

  /** The number of connections, including frozen ones. */
  get size() {
    return this.#pairs.size;
  }
}
