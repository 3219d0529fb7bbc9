//! An echo server behind TLS, with a certificate made for the test.

use std::net::TcpListener;
use std::thread;

use rustls::{ServerConnection, StreamOwned};
use switchboard_conformance::certificates::certificates;

/// Starts the server; returns the authority (PEM) to trust, and the server's URL.
pub(crate) fn echo_server() -> (String, String) {
    let (authority, config) = certificates();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let config = config.clone();
            thread::spawn(move || {
                let tls = StreamOwned::new(ServerConnection::new(config).unwrap(), client);
                // Fails for a client that does not trust the certificate.
                let Ok(mut socket) = tungstenite::accept(tls) else { return };
                while let Ok(message) = socket.read() {
                    if message.is_text() && socket.send(message).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (authority, format!("wss://localhost:{port}"))
}
