//! The HTTP side of a WebSocket, without IO.
