//! A chat at the terminal: joins a room, prints what is said there, and says each line that you type.
//!
//! ```text
//! cargo run                                                     # a server, in another terminal
//! cargo run -p switchboard-smol --example client -- ws://127.0.0.1:8080/ws alice lobby
//! ```
//!
//! Stop the server, type, and start it again: what you typed meanwhile is sent then.

use std::error::Error;
use std::io;

use smol::Unblock;
use smol::io::{AsyncBufReadExt, BufReader};
use smol::stream::StreamExt;
use switchboard_smol::client::State;
use switchboard_smol::{Client, ClientEvent, Delivery};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(user), Some(room)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: client ws://HOST:PORT/ws USER ROOM".into());
    };
    smol::block_on(async {
        let (client, mut events) = Client::builder(&address)?.user(&user).start()?;
        let printing = smol::spawn(async move {
            while let Some(event) = events.next_event().await {
                print(event);
            }
        });
        let room = client.room(&room)?;
        let joined = room.join().await?;
        println!("* you are in {}, at {}", room.name(), joined.position);

        let mut lines = BufReader::new(Unblock::new(io::stdin())).lines();
        while let Some(line) = lines.next().await {
            // Not awaited, so that you can go on typing while there is no connection.
            let sent = room.send("chat", &line?);
            smol::spawn(async move {
                if let Err(error) = sent.await {
                    println!("* not sent: {error}");
                }
            })
            .detach();
        }
        // Whatever is still on its way gets its answer first.
        room.members().await?;
        client.stop().await;
        drop((room, client));
        printing.await;
        Ok(())
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "whatever else there is, is shown as it is")]
fn print(event: ClientEvent) {
    match event {
        ClientEvent::Delivery(Delivery::Publication(message)) => {
            let from = message.from.as_ref().map_or("the server", |user| user.as_str());
            let text: String = message.payload.read().unwrap_or_else(|_| "?".into());
            println!("{from}: {text}");
        }
        ClientEvent::Delivery(Delivery::MemberJoined { user, .. }) => println!("* {user} is here"),
        ClientEvent::Delivery(Delivery::MemberLeft { user, .. }) => println!("* {user} is gone"),
        ClientEvent::Delivery(Delivery::Refresh { reason, .. }) => {
            println!("* something was missed ({reason})")
        }
        ClientEvent::Lagged(lagged) => println!("* this terminal was too slow: {lagged:?}"),
        ClientEvent::State { state: State::Waiting { retry_in }, detail, .. } => {
            let why = detail.as_deref().unwrap_or("the connection was lost");
            println!("* {why}; trying again in {:.1} s", retry_in.as_secs_f64());
        }
        ClientEvent::State { state: State::Closed, cause, detail } => {
            println!("* closed for good: {cause:?} {detail:?}");
            std::process::exit(1);
        }
        ClientEvent::State { state, .. } => println!("* {state:?}"),
        other => println!("* {other:?}"),
    }
}
