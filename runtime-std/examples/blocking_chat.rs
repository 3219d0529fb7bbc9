//! A chat with typed messages: who may come in, what each type of message does, and a log of what happens.
//!
//! ```text
//! cargo run -p switchboard-std --example blocking_chat -- --listen 127.0.0.1:8080
//! ```

mod listen;

use std::error::Error;

use serde::{Deserialize, Serialize};
use switchboard_std::http::HttpError;
use switchboard_std::{
    Claims, Context, Credentials, ErrorCode, Identity, Output, Refusal, Server, UserName,
};

/// What is known about a user beyond the name.
struct Moderator(bool);

/// A real application checks a signature here, or asks a database: others go on meanwhile.
fn authenticate(credentials: Credentials) -> Result<Identity, HttpError> {
    let (name, moderator) = match credentials.token.as_ref().map(|token| token.expose()) {
        Some("alice-secret") => ("alice", true),
        Some("bob-secret") => ("bob", false),
        Some(_) => return Err(HttpError::unauthorized("nobody has this token")),
        None => return Err(HttpError::unauthorized("add ?token=alice-secret to the address")),
    };
    let user = UserName::new(name).map_err(|error| HttpError::unauthorized(error.to_string()))?;
    Ok(Identity { claims: Claims::new(Moderator(moderator)), ..Identity::new(user) })
}

// Payloads. One that does not fit is answered with an error that says where.
#[derive(Deserialize, Serialize)]
struct Line {
    text: String,
}

#[derive(Deserialize)]
struct Whisper {
    to: String,
    text: String,
}

/// A reply: what a handler returns goes to the sender, as the answer to the message's `id`.
fn count(_: Context, line: Line) -> Result<usize, Refusal> {
    Ok(line.text.chars().count())
}

/// A publication, to the room that the message names and in the sender's name.
fn shout(context: Context, line: Line) -> Result<(), Refusal> {
    let room = context.room().ok_or_else(|| Refusal::field("room", "is missing"))?;
    context.publish(room, "chat", &Line { text: line.text.to_uppercase() }).map(drop)
}

/// A direct message, to every connection of one user.
fn whisper(context: Context, whisper: Whisper) -> Result<(), Refusal> {
    context.send_to_user(&whisper.to, &Line { text: whisper.text }).map(drop)
}

/// Leaves the rooms that the connection is in, and joins the one that is named here.
fn go(context: Context, to: String) -> Result<(), Refusal> {
    for room in context.handle().rooms(context.connection()) {
        context.leave(&room)?;
    }
    context.join(&to)
}

/// A refusal: the sender gets an `error` with this code, and stays connected.
fn announce(context: Context, line: Line) -> Result<(), Refusal> {
    if !context.claims().get::<Moderator>().is_some_and(|moderator| moderator.0) {
        return Err(Refusal::new(ErrorCode::Forbidden, "only moderators announce"));
    }
    context.handle().publish("lobby", "announcement", &line).map(drop)
}

/// The log of what happens to connections.
fn log(output: &Output) {
    match output {
        Output::Notice(notice) => println!("{notice:?}"),
        Output::Closed { user, ending, .. } => println!("{user} is gone: {ending}"),
        Output::Request { .. }
        | Output::Raw { .. }
        | Output::Probed { .. }
        | Output::Answered { .. }
        | Output::StateWanted { .. }
        | Output::Drained => {}
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder()
        .authenticate(authenticate)
        .on("count", count)
        .on("shout", shout)
        .on("whisper", whisper)
        .on("go", go)
        .on("announce", announce)
        // A type without a handler, such as `chat` below, is published as it is.
        .on_output(log)
        .build()?;

    let listener = switchboard_std::bind(listen::address("127.0.0.1:8080")?)?;
    let address = listener.local_addr()?;
    println!(
        "listening on ws://{address}/ws, for alice-secret and bob-secret. Connect, such as with"
    );
    println!("    npx wscat -c 'ws://{address}/ws/lobby?token=alice-secret'");
    println!("and send:");
    println!(r#"    {{"type":"chat","id":"1","payload":{{"text":"hello"}}}}"#);
    println!(r#"    {{"type":"count","id":"2","payload":{{"text":"hello"}}}}"#);
    println!(r#"    {{"type":"shout","id":"3","room":"lobby","payload":{{"text":"hello"}}}}"#);
    println!(r#"    {{"type":"whisper","id":"4","payload":{{"to":"bob","text":"psst"}}}}"#);
    println!(r#"    {{"type":"announce","id":"5","payload":{{"text":"dinner"}}}}"#);
    println!(r#"    {{"type":"go","id":"6","payload":"kitchen"}}"#);
    server.serve(listener)?;
    Ok(())
}
