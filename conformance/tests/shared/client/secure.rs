//! `wss`, with a certificate made for the test.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConfig, ServerConnection};

use switchboard_conformance::certificates::certificates;

use super::{hasty, impatient, plain, until};
use crate::runtime::{ClientEvent, ClientSettings, Delivery, Tls, done};
use crate::shared::harness::Running;
use switchboard_core::client::State;

/// Terminates TLS, and forwards the contents.
fn tls_in_front_of(target: SocketAddr, config: Arc<ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let config = config.clone();
            thread::spawn(move || pass(client, target, config));
        }
    });
    address
}

fn pass(client: TcpStream, target: SocketAddr, config: Arc<ServerConfig>) {
    let tls = Arc::new(Mutex::new(ServerConnection::new(config).unwrap()));
    let server = TcpStream::connect(target).unwrap();
    let (mut from_server, mut to_client) =
        (server.try_clone().unwrap(), client.try_clone().unwrap());
    let back = tls.clone();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(taken @ 1..) = from_server.read(&mut buffer) {
            let mut tls = back.lock().unwrap();
            tls.writer().write_all(&buffer[..taken]).unwrap();
            while tls.wants_write() {
                if tls.write_tls(&mut to_client).is_err() {
                    return;
                }
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let (mut from_client, mut to_client, mut to_server) =
        (client.try_clone().unwrap(), client, server);
    let mut buffer = [0; 4096];
    while let Ok(taken @ 1..) = from_client.read(&mut buffer) {
        let mut tls = tls.lock().unwrap();
        let mut bytes = &buffer[..taken];
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes).unwrap();
            let result = tls.process_new_packets();
            while tls.wants_write() && tls.write_tls(&mut to_client).is_ok() {}
            if result.is_err() {
                return;
            }
        }
        let mut plain = Vec::new();
        // It ends with `WouldBlock` once all available bytes are read.
        let _ = tls.reader().read_to_end(&mut plain);
        drop(tls);
        if to_server.write_all(&plain).is_err() {
            break;
        }
    }
    let _ = to_server.shutdown(Shutdown::Both);
}

#[test]
fn a_server_with_a_certificate_is_talked_to_in_secret() {
    let server = Running::start(plain());
    let (authority, config) = certificates();
    let address = tls_in_front_of(server.address, config);
    let url = format!("wss://localhost:{}/ws", address.port());
    let tls = Tls::with_root_pem(authority.as_bytes()).unwrap();
    let (client, mut events) =
        hasty(&url).settings(ClientSettings { tls, ..impatient() }).start().unwrap();
    let room = client.room("lobby").unwrap();
    done(room.join()).unwrap();
    // More than fits into one record, and into the buffers in between.
    let large = "x".repeat(60_000);
    for _ in 0..20 {
        done(room.send("text", &large)).unwrap();
    }
    for _ in 0..20 {
        let text: String = until(&mut events, |event| match event {
            ClientEvent::Delivery(Delivery::Publication(message)) => {
                Some(message.payload.read().unwrap())
            }
            _ => None,
        });
        assert_eq!(text, large);
    }
    done(client.stop());
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_with_words() {
    let server = Running::start(plain());
    let (_, config) = certificates();
    let address = tls_in_front_of(server.address, config);
    let url = format!("wss://localhost:{}/ws", address.port());
    let (_client, mut events) = hasty(&url).start().unwrap();
    let detail = until(&mut events, |event| match event {
        ClientEvent::State { state: State::Waiting { .. }, detail, .. } => detail,
        _ => None,
    });
    assert!(detail.starts_with("TLS: invalid peer certificate: "), "{detail}");
    assert!(Tls::with_root_pem(b"").is_err());
    assert!(
        Tls::with_root_pem(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")
            .is_err()
    );
}
