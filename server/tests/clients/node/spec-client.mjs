// A fixture, not our code: this is the TypeScript client of the specification that Switchboard was
// written to, word for word as it stands there, with only the types, `private` and `export` changed
// so that Node runs it. Do not improve it: that it works as it is, is what the test shows.

export class WebSocketClient {
  ws = null;

  connect(url) {
    this.ws = new WebSocket(url);

    this.ws.onmessage = (event) => {
      const message = JSON.parse(event.data);

      // Respond to health pings immediately
      if (message.type === 'health_ping') {
        this.ws?.send(JSON.stringify({
          type: 'health_pong',
          timestamp: message.timestamp
        }));
        return;
      }

      this.handleMessage(message);
    };
  }

  handleMessage(message) {
    // Your message handling logic
  }
}
