//! A chat with typed messages: who may come in, what each type of message does, and a log of what happens.
//!
//! ```text
//! cargo run -p switchboard-smol --example chat -- --listen 127.0.0.1:8080
//! ```

mod listen;

use std::error::Error;

use serde::{Deserialize, Serialize};
use switchboard_smol::core::http::Refusal as HttpRefusal;
use switchboard_smol::core::{ErrorCode, Output, Refusal, UserName};
use switchboard_smol::{Claims, Context, Credentials, Identity, Server};

/// What is known about a user beyond the name: see `authenticate` and `Context::claims`.
struct Moderator(bool);

/// The payload of `dice`. One that does not fit is answered with an error that says where.
#[derive(Deserialize)]
struct Dice {
    sides: u32,
}

#[derive(Serialize)]
struct Rolled {
    value: u32,
}

#[derive(Deserialize, Serialize)]
struct Line {
    text: String,
}

#[derive(Deserialize)]
struct Whisper {
    to: String,
    text: String,
}

#[derive(Deserialize)]
struct Room {
    room: String,
}

/// A real application checks a signature here, or asks a database: it may take its time, others go on meanwhile.
async fn authenticate(credentials: Credentials) -> Result<Identity, HttpRefusal> {
    let token = credentials.token.as_ref().map(|token| token.expose());
    let (name, moderator) = match token {
        Some("alice-secret") => ("alice", true),
        Some("bob-secret") => ("bob", false),
        Some(_) => return Err(HttpRefusal::unauthorized("nobody has this token")),
        None => return Err(HttpRefusal::unauthorized("add ?token=alice-secret to the address")),
    };
    let user = UserName::new(name).map_err(|error| HttpRefusal::unauthorized(error.to_string()))?;
    Ok(Identity { claims: Claims::new(Moderator(moderator)), ..Identity::new(user) })
}

/// A reply: the value goes to the sender, as the answer to the message's `id`.
async fn dice(_: Context, dice: Dice) -> Result<Rolled, Refusal> {
    if dice.sides == 0 {
        return Err(Refusal::field("payload.sides", "must be at least 1"));
    }
    let nanos = std::time::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.subsec_nanos());
    Ok(Rolled { value: nanos / 1_000 % dice.sides + 1 })
}

/// A publication: to the room that the message names, in the sender's name.
async fn shout(context: Context, line: Line) -> Result<(), Refusal> {
    let room = context.room().ok_or_else(|| Refusal::field("room", "is missing"))?;
    context.publish(room, "chat", &Line { text: line.text.to_uppercase() }).map(drop)
}

/// A direct message: to every connection of one user.
async fn whisper(context: Context, whisper: Whisper) -> Result<(), Refusal> {
    context.send_to_user(&whisper.to, &Line { text: whisper.text }).map(drop)
}

/// Rooms can also be entered and left on the server's own account.
async fn go(context: Context, to: Room) -> Result<(), Refusal> {
    for room in context.handle().rooms(context.connection()) {
        context.leave(&room)?;
    }
    context.join(&to.room)
}

/// A refusal: an `error` with a code; the connection stays.
async fn announce(context: Context, line: Line) -> Result<(), Refusal> {
    if !context.claims().get::<Moderator>().is_some_and(|moderator| moderator.0) {
        return Err(Refusal::new(ErrorCode::Forbidden, "only moderators announce"));
    }
    context.handle().publish("lobby", "announcement", &line).map(drop)
}

fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder()
        .authenticate(authenticate)
        .on("dice", dice)
        .on("shout", shout)
        .on("whisper", whisper)
        .on("go", go)
        .on("announce", announce)
        // Types without a handler, such as `chat` below, are published as they are.
        .observe(|output| {
            if let Output::Closed { user, ending, .. } = output {
                println!("{user} is gone: {ending}");
            } else {
                println!("{output:?}");
            }
        })
        .build()?;

    let listener = switchboard_smol::bind(listen::address("127.0.0.1:8080")?)?;
    let address = listener.get_ref().local_addr()?;
    println!(
        "listening on ws://{address}/ws, for alice-secret and bob-secret. Connect, for instance with"
    );
    println!("    npx wscat -c 'ws://{address}/ws/lobby?token=alice-secret'");
    println!("and send:");
    println!(r#"    {{"type":"chat","id":"1","payload":{{"text":"hello"}}}}"#);
    println!(r#"    {{"type":"dice","id":"2","payload":{{"sides":6}}}}"#);
    println!(r#"    {{"type":"shout","id":"3","room":"lobby","payload":{{"text":"hello"}}}}"#);
    println!(r#"    {{"type":"whisper","id":"4","payload":{{"to":"bob","text":"psst"}}}}"#);
    println!(r#"    {{"type":"go","id":"5","payload":{{"room":"kitchen"}}}}"#);
    println!(r#"    {{"type":"announce","id":"6","payload":{{"text":"dinner"}}}}"#);
    smol::block_on(server.serve(listener))?;
    Ok(())
}
