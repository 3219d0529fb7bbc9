//! Runs the client machine on the vectors that all clients share. docs/client-machine.md describes
//! the format.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use switchboard_core::Timestamp;
use switchboard_core::client::ClientStats;

use crate::{read, write};

fn vectors() -> Vec<(String, Vec<Value>)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/client"));
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder of vectors")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("text");
            let cases = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.file_stem().expect("a name").to_string_lossy().into_owned(), cases)
        })
        .collect();
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    files
}

fn fields(value: &Value, allowed: &[&str]) {
    let object = value.as_object().expect("an object");
    for field in object.keys() {
        assert!(allowed.contains(&field.as_str()), "nobody reads `{field}`");
    }
}

/// Plays one case and returns where it differs.
fn play(case: &Value) -> Result<ClientStats, String> {
    fields(case, &["name", "config", "steps"]);
    let mut machine = read::config(case.get("config"));
    let steps = case["steps"].as_array().expect("steps");
    assert!(!steps.is_empty(), "a case without steps says nothing");
    for (at, step) in steps.iter().enumerate() {
        fields(step, &["at", "event", "actions", "deadline"]);
        let now = Timestamp::from_millis(step["at"].as_u64().expect("a time"));
        let event = read::event(&step["event"]);
        let actual: Vec<_> =
            machine.handle(now, event).map(|action| write::action(&action)).collect();
        let expected = step["actions"].as_array().expect("actions");
        let lines = |actions: &[Value]| {
            actions.iter().map(|action| format!("\n      {action}")).collect::<String>()
        };
        if actual != *expected {
            return Err(format!(
                "step {at}, {}\n    gives{}\n    and should{}",
                step["event"],
                lines(&actual),
                lines(expected)
            ));
        }
        let deadline = write::deadline(&machine);
        if step.get("deadline").is_some_and(|expected| *expected != deadline) {
            return Err(format!(
                "step {at}, {}: the deadline is {deadline} and should be {}",
                step["event"], step["deadline"]
            ));
        }
    }
    Ok(machine.stats())
}

#[test]
fn the_machine_does_what_the_vectors_say() {
    let mut failures = Vec::new();
    let mut names = BTreeSet::new();
    for (file, cases) in vectors() {
        assert!(!cases.is_empty(), "{file} has no cases");
        for case in &cases {
            let name = case["name"].as_str().expect("a name");
            assert!(names.insert((file.clone(), name.to_owned())), "{file}: {name} is there twice");
            if let Err(difference) = play(case) {
                failures.push(format!("{file}: {name}: {difference}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} differ\n\n{}\n", failures.len(), failures.join("\n\n"));
    assert!(names.len() > 150, "there are only {} cases", names.len());
}

/// Counts unreadable messages, answers that nothing waits for, and duplicates.
#[test]
fn what_a_client_cannot_use_is_counted() {
    let expected = [
        ("a publication that is not beyond the position is dropped", [0, 0, 4]),
        ("gap and refresh of a room that is not entered are ignored", [0, 2, 0]),
        ("answers to nothing", [0, 14, 0]),
        ("answers to somebody else", [0, 6, 0]),
        ("an id that only looks like one of ours", [0, 5, 0]),
        ("an answer before its question was transmitted", [0, 1, 0]),
        ("types and fields that are not known", [5, 1, 0]),
        ("messages that cannot be read", [9, 0, 0]),
        ("an error with a room for one that is entered", [0, 1, 0]),
        ("the answer to a join of an earlier connection", [0, 2, 0]),
        ("in the wait nothing is heard", [0, 4, 0]),
        ("a second connected changes nothing", [0, 1, 0]),
        ("an answer of another kind is a stranger", [0, 7, 0]),
        ("leave", [0, 2, 0]),
        ("the server takes the client out", [0, 2, 0]),
        ("rooms that the server puts the client into count, too", [0, 2, 0]),
        ("a joined for a room that is entered already changes nothing", [0, 1, 1]),
        (
            "what a resume asked for does not come back into a room that was left meanwhile",
            [0, 2, 0],
        ),
    ];
    let cases: Vec<_> = vectors().into_iter().flat_map(|(_, cases)| cases).collect();
    for (name, expected) in expected {
        let case = cases.iter().find(|case| case["name"] == name).expect(name);
        let ClientStats { unreadable, strangers, repeated } = play(case).expect("as it says");
        assert_eq!([unreadable, strangers, repeated], expected, "{name}");
    }
}

#[test]
fn a_client_shows_who_it_is_and_where() {
    let mut machine = read::config(None);
    let mut after = |event: Value| {
        drop(machine.handle(Timestamp::ZERO, read::event(&event)));
        let who = machine.user().map(ToString::to_string);
        let rooms: Vec<_> =
            machine.rooms().map(|(room, is_in)| (room.to_string(), is_in)).collect();
        let position = machine.position("lobby").map(|at| at.offset);
        (who, machine.client_id().map(str::to_owned), rooms, position)
    };
    let greeting = json!({"type": "connected", "client_id": "7-1", "user": "alice", "session": "5be0cd19137e2179",
        "rooms": []});
    let joined =
        json!({"type": "joined", "id": "v-1", "room": "lobby", "position": "00000000000000e1:41"});
    let (alice, number) = (Some("alice".to_owned()), Some("7-1".to_owned()));
    let lobby = |is_in, position| {
        (alice.clone(), number.clone(), vec![("lobby".to_owned(), is_in)], position)
    };
    assert_eq!(after(json!({"connect": {}})), (None, None, vec![], None));
    assert_eq!(after(json!({"opened": {}})), (None, None, vec![], None));
    let open = after(json!({"received": greeting}));
    assert_eq!(open, (alice.clone(), number.clone(), vec![], None));
    assert_eq!(after(json!({"join": {"ticket": 1, "room": "lobby"}})), lobby(false, None));
    assert_eq!(after(json!({"received": joined})), lobby(true, Some(41)));
    assert_eq!(after(json!({"ended": {}})), lobby(false, Some(41)));
    let stopped = after(json!({"stop": {}}));
    assert_eq!((stopped.2, stopped.3), (vec![], None));
}

#[test]
fn a_client_shows_how_much_has_no_answer() {
    let mut machine = read::config(None);
    let mut after = |event: Value| {
        drop(machine.handle(Timestamp::ZERO, read::event(&event)));
        machine.unanswered()
    };
    let send = json!({"send": {"ticket": 1, "room": "lobby", "type": "chat", "payload": "a"}});
    let greeting = json!({"type": "connected", "session": "5be0cd19137e2179", "rooms": []});
    assert_eq!(after(json!({"connect": {}})), (0, 0));
    assert_eq!(after(send), (1, 0));
    assert_eq!(after(json!({"opened": {}})), (1, 0));
    assert_eq!(after(json!({"received": greeting})), (0, 1));
    assert_eq!(after(json!({"received": {"type": "ack", "id": "v-1"}})), (0, 0));
}

/// Every word of docs/client-machine.md is in at least one vector, with every state.
#[test]
fn the_vectors_use_every_event_and_action() {
    let mut seen = BTreeSet::new();
    for step in vectors()
        .iter()
        .flat_map(|(_, cases)| cases)
        .flat_map(|case| case["steps"].as_array().expect("steps"))
    {
        seen.extend(step["event"].as_object().expect("an event").keys().cloned());
        for action in step["actions"].as_array().expect("actions") {
            seen.extend(action.as_object().expect("an action").keys().cloned());
            if let Some(state) = action.get("state") {
                seen.insert(format!("state {}", state["state"].as_str().expect("a state")));
            }
        }
    }
    let words = "connect stop token opened received alive ended refused join leave send direct request ask cancel \
        reply wake tick ask_token dial transmit drop state settled deliver room requested";
    let states =
        ["idle", "connecting", "open", "waiting", "closed"].map(|state| format!("state {state}"));
    let expected: BTreeSet<_> = words.split_whitespace().map(str::to_owned).chain(states).collect();
    assert_eq!(seen, expected);
}
