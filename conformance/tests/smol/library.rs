//! A third-party client: async-tungstenite.

use std::net::TcpStream;

use async_tungstenite::tungstenite::Message;
use async_tungstenite::{WebSocketStream, client_async};
use serde_json::{Value, json};
use smol::Async;
use smol::stream::StreamExt;

use crate::runtime::done;
use crate::shared::harness::{Running, plain};

type Socket = WebSocketStream<Async<TcpStream>>;

async fn connect(server: &Running, target: &str) -> Socket {
    let socket = Async::<TcpStream>::connect(server.address).await.unwrap();
    let url = format!("ws://{}{target}", server.address);
    client_async(url, socket).await.unwrap().0
}

async fn message(socket: &mut Socket) -> Value {
    let message = socket.next().await.unwrap().unwrap();
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

#[test]
fn it_can_chat_ping_and_leave() {
    let server = Running::start(plain());
    done(async {
        let mut alice = connect(&server, "/ws/lobby?user=alice").await;
        let mut bob = connect(&server, "/ws/lobby?user=bob").await;
        for socket in [&mut alice, &mut bob] {
            assert_eq!(message(socket).await["type"], "connected");
        }
        let chat = json!({"type": "chat", "payload": "hello"}).to_string();
        alice.send(Message::text(chat)).await.unwrap();
        for socket in [&mut alice, &mut bob] {
            assert_eq!(message(socket).await["payload"], "hello");
        }
        alice.send(Message::Ping("you".into())).await.unwrap();
        assert_eq!(alice.next().await.unwrap().unwrap(), Message::Pong("you".into()));
        alice.close(None).await.unwrap();
        assert!(matches!(alice.next().await, Some(Ok(Message::Close(_))) | None));
        bob.close(None).await.unwrap();
        while let Some(message) = bob.next().await {
            assert!(message.unwrap().is_close());
        }
    });
}

#[test]
fn a_refused_upgrade_is_an_error_with_a_status() {
    use async_tungstenite::tungstenite::Error;
    let server = Running::start(plain());
    done(async {
        let socket = Async::<TcpStream>::connect(server.address).await.unwrap();
        let url = format!("ws://{}/elsewhere", server.address);
        match client_async(url, socket).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 404),
            other => panic!("{:?}", other.map(|_| ())),
        }
    });
}
