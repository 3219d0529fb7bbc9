use std::net::IpAddr;
use std::time::Duration;

use switchboard_core::{Limit, Loopback, Network, Rate, Timestamp};

use super::*;

fn settings() -> ServerSettings {
    ServerSettings {
        max_handshakes: 3,
        handshakes_per_address: Limit::at_most(2),
        connections_per_address: Limit::at_most(2),
        connects_per_address: Rate::NONE,
        ..ServerSettings::default()
    }
}

fn address(last: u8) -> Option<IpAddr> {
    Some(IpAddr::from([192, 0, 2, last]))
}

fn network(last: u8) -> Network {
    Network::from(IpAddr::from([192, 0, 2, last]))
}

fn ms(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// Lets a socket in, for which another one has to be closed or none.
fn enter(
    door: &mut Door<char>,
    at: Timestamp,
    address: Option<IpAddr>,
    name: char,
) -> (Place, Option<char>) {
    door.enter(at, address, name).expect("there is room")
}

/// A connection.
fn connect(door: &mut Door<char>, last: u8) -> Result<Place, TooMany> {
    let (mut place, _) = enter(door, ms(0), address(last), 'c');
    match door.decide(ms(0), &place) {
        Ok(()) => door.opened(&mut place),
        Err(refused) => {
            door.left(place);
            return Err(refused);
        }
    }
    Ok(place)
}

fn is_clean(door: &Door<char>) -> bool {
    door.listed.is_empty()
        && (door.waiting.len(), door.farewells.len(), door.deciding) == (0, 0, 0)
        && door.networks.is_empty()
}

#[test]
fn one_more_in_all_closes_the_longest_silent_of_the_network_with_most() {
    let mut door = Door::new(&settings());
    let (one, _) = enter(&mut door, ms(0), address(1), 'a');
    let (two, _) = enter(&mut door, ms(1), address(2), 'b');
    let (three, evicted) = enter(&mut door, ms(2), address(2), 'c');
    assert_eq!(evicted, None, "three is the bound");
    door.heard(ms(3), &two);
    let (four, evicted) = enter(&mut door, ms(4), address(3), 'd');
    assert_eq!(evicted, Some('c'), "it has been silent longer than the other of its network");
    assert!(door.is_evicted(&three) && !door.is_evicted(&two));
    assert_eq!(door.decide(ms(4), &three), Err(TooMany::Handshakes(None)));
    door.heard(ms(4), &three);
    let (five, evicted) = enter(&mut door, ms(5), address(4), 'e');
    assert_eq!(evicted, Some('a'), "one each: the longest silent of all");
    [one, two, three, four, five].into_iter().for_each(|place| door.left(place));
    assert!(is_clean(&door));
}

#[test]
fn one_more_of_a_network_closes_its_own() {
    let mut door = Door::new(&ServerSettings { max_handshakes: 4, ..settings() });
    let other = enter(&mut door, ms(0), address(1), 'o').0;
    let first = enter(&mut door, ms(1), address(2), 'a').0;
    let second = enter(&mut door, ms(1), address(2), 'b').0;
    let (third, evicted) = enter(&mut door, ms(1), address(2), 'c');
    assert_eq!(evicted, Some('a'), "although it was accepted in the same moment");
    [other, first, second, third].into_iter().for_each(|place| door.left(place));
    assert!(is_clean(&door));
}

#[test]
fn this_machine_is_exempt_but_for_the_bound_in_all() {
    let here = Some(IpAddr::from([127, 0, 0, 1]));
    let mut door = Door::new(&settings());
    let mut places: Vec<_> = (0..3).map(|n| enter(&mut door, ms(n), here, 'h')).collect();
    assert!(places.iter().all(|(_, evicted)| evicted.is_none()), "three of one network");
    places.push(enter(&mut door, ms(3), address(1), 'a'));
    assert_eq!(places[3].1, Some('h'));
    places.into_iter().for_each(|(place, _)| door.left(place));

    let mut settings = settings();
    settings.config.limits.loopback = Loopback::Count;
    let mut door = Door::new(&settings);
    let places: Vec<_> = (0..3).map(|n| enter(&mut door, ms(n), here, 'h')).collect();
    assert_eq!(places[2].1, Some('h'));
    places.into_iter().for_each(|(place, _)| door.left(place));
    assert!(is_clean(&door));
}

#[test]
fn what_came_in_the_same_moment_or_is_decided_makes_no_room() {
    let mut door = Door::new(&ServerSettings { max_handshakes: 1, ..settings() });
    assert_eq!(door.room_at(), Some(ms(0)));
    let (place, _) = enter(&mut door, ms(1), address(1), 'a');
    assert!(!door.has_room(ms(1)));
    assert!(door.enter(ms(1), address(2), 'b').is_none());
    let next = ms(1) + Duration::from_micros(1);
    assert!(door.has_room(next));
    assert_eq!(door.room_at(), Some(next));
    door.decide(next, &place).expect("it is the first");
    assert!(!door.has_room(ms(1_000)));
    assert_eq!(door.room_at(), None);
    door.left(place);
    assert!(door.has_room(ms(0)) && is_clean(&door));
}

#[test]
fn connections_count_from_the_decision_until_they_are_over() {
    let mut door = Door::new(&settings());
    let open = connect(&mut door, 1).expect("the first");
    let (deciding, _) = enter(&mut door, ms(0), address(1), 'd');
    door.decide(ms(0), &deciding).expect("the second");
    let refused = TooMany::Connections(network(1));
    assert_eq!(connect(&mut door, 1).expect_err("two is the limit"), refused);
    assert_eq!(door.admit(ms(0), address(1)).expect_err("two is the limit"), refused);
    let other = connect(&mut door, 2).expect("another network");
    door.left(deciding);
    let again = connect(&mut door, 1).expect("one is free");
    door.left(open);
    let admitted = door.admit(ms(0), address(1)).expect("one is free");
    assert_eq!(connect(&mut door, 1).expect_err("an admitted one counts"), refused);
    [other, again, admitted].into_iter().for_each(|place| door.left(place));
    assert!(is_clean(&door));
}

#[test]
fn upgrades_that_are_decided_have_a_bound_of_their_own() {
    let limits = ServerSettings { connections_per_address: Limit::NONE, ..settings() };
    let mut door = Door::new(&ServerSettings { max_handshakes: 10, ..limits });
    let places: Vec<_> =
        (0..3).map(|n| enter(&mut door, ms(n), address(1), 'a')).map(|(place, _)| place).collect();
    assert_eq!(door.decide(ms(3), &places[0]), Err(TooMany::Handshakes(None)), "it was evicted");
    let (fourth, _) = enter(&mut door, ms(3), address(1), 'b');
    for place in [&places[2], &fourth] {
        door.decide(ms(3), place).expect("two may be decided");
    }
    let (fifth, evicted) = enter(&mut door, ms(4), address(1), 'c');
    assert_eq!(evicted, None);
    let refused = TooMany::Handshakes(Some(network(1)));
    assert_eq!(door.decide(ms(4), &fifth), Err(refused));
    places.into_iter().chain([fourth, fifth]).for_each(|place| door.left(place));
    assert!(is_clean(&door));
}

#[test]
fn a_network_connects_at_its_rate_and_failed_attempts_do_not_count() {
    let connects_per_address = Rate { per_second: 10, burst: 3 };
    let limits = ServerSettings { connections_per_address: Limit::NONE, ..settings() };
    let mut door = Door::new(&ServerSettings { connects_per_address, ..limits });
    let mut places: Vec<_> =
        (0..3).map(|_| connect(&mut door, 1).expect("within the burst")).collect();
    assert_eq!(connect(&mut door, 1).expect_err("a fourth"), TooMany::Connects(network(1)));
    places.push(connect(&mut door, 2).expect("another network"));
    let late = ms(99);
    assert!(door.admit(late, address(1)).is_err());
    places.push(door.admit(ms(100), address(1)).expect("one more after a tenth of a second"));
    places.into_iter().for_each(|place| door.left(place));
    assert!(door.admit(ms(100), address(1)).is_err(), "the bucket outlives the connections");
    let unknown = door.admit(ms(100), None).expect("an unknown address is not limited");
    door.left(unknown);
    assert!(is_clean(&door));
}

#[test]
fn farewells_have_the_same_bounds_by_themselves() {
    let mut door = Door::new(&settings());
    let mut refused = Vec::new();
    let mut say = |door: &mut Door<char>, at: u64, last: u8, name: char| {
        let (mut place, evicted) = enter(door, ms(at), address(last), name);
        assert_eq!(evicted, None, "farewells are not handshakes");
        let evicted = door.farewell(ms(at), &mut place, name);
        assert_eq!(door.farewell(ms(at), &mut place, name), None, "only once");
        refused.push(place);
        evicted
    };
    assert_eq!(say(&mut door, 0, 1, 'a'), None);
    assert_eq!(say(&mut door, 0, 1, 'b'), None);
    assert_eq!(say(&mut door, 0, 1, 'c'), Some('a'), "two of a network");
    assert_eq!(say(&mut door, 1, 2, 'd'), None);
    assert_eq!(say(&mut door, 2, 3, 'e'), Some('b'), "three in all");
    let mut open = connect(&mut door, 4).expect("it is open");
    assert_eq!(door.farewell(ms(3), &mut open, 'f'), Some('c'), "all have one: the longest");
    assert_eq!(door.networks.usage(Some(network(4))), (0, 0), "it is no connection any more");
    refused.into_iter().chain([open]).for_each(|place| door.left(place));
    assert!(is_clean(&door));
}

#[test]
fn a_refusal_says_when_to_come_back_and_the_log_whose_it_is() {
    for (refused, code) in [
        (TooMany::Connects(network(1)), "connect_rate"),
        (TooMany::Connections(network(1)), "address_limit"),
        (TooMany::Handshakes(Some(network(1))), "handshake_limit"),
    ] {
        let error = refused.to_error();
        assert_eq!((error.status.code(), error.code), (429, code));
        assert_eq!(error.retry_after_secs, Some(1));
        assert_eq!(error.compared_with(), Some("192.0.2.1"));
    }
    assert_eq!(TooMany::Handshakes(None).to_error().compared_with(), None);
}
