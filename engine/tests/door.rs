//! The door's bounds, whatever comes in whichever order.
#![cfg(test)]

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use switchboard_core::{Limit, Loopback, Rate, Timestamp};
use switchboard_engine::server::{Door, Place, ServerSettings, TooMany};

const RATE: Rate = Rate { per_second: 4, burst: 3 };
const MAX: usize = 6;
const PER_ADDRESS: u32 = 3;
const CONNECTIONS: u32 = 4;

fn settings() -> ServerSettings {
    ServerSettings {
        max_handshakes: MAX,
        handshakes_per_address: Limit::at_most(PER_ADDRESS),
        connections_per_address: Limit::at_most(CONNECTIONS),
        connects_per_address: RATE,
        ..ServerSettings::default()
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Enter(u8),
    Heard(usize),
    Decide(usize),
    Opened(usize),
    Farewell(usize),
    Left(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = 0..64_usize;
    let step = prop_oneof![
        2 => (0..300_000_u64).prop_map(Step::Wait),
        6 => (0..4_u8).prop_map(Step::Enter),
        2 => which.clone().prop_map(Step::Heard),
        5 => which.clone().prop_map(Step::Decide),
        3 => which.clone().prop_map(Step::Opened),
        2 => which.clone().prop_map(Step::Farewell),
        2 => which.prop_map(Step::Left),
    ];
    prop::collection::vec(step, 0..300)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Waiting(Timestamp),
    Deciding,
    Open,
    Farewell(Timestamp),
    Evicted,
}

/// A socket as the test knows it. Address 0 is not known, and not limited.
#[derive(Debug)]
struct Socket {
    name: usize,
    address: u8,
    stage: Stage,
    place: Place,
}

/// What the door has to do, looked up in a list of all sockets.
struct World {
    now: Timestamp,
    door: Door<usize>,
    sockets: Vec<Socket>,
    next: usize,
    /// When upgrades of each address passed the rate.
    passed: Vec<Vec<Timestamp>>,
}

impl World {
    fn count(&self, holds: impl Fn(&Socket) -> bool) -> usize {
        self.sockets.iter().filter(|socket| holds(socket)).count()
    }

    /// The one that has to make room among those with a time here.
    fn victim(
        &self,
        address: u8,
        since: impl Fn(Stage) -> Option<Timestamp>,
        others: usize,
    ) -> Option<usize> {
        let of = |socket: &&Socket, address| socket.address == address;
        let all: Vec<_> = self.sockets.iter().filter(|it| since(it.stage).is_some()).collect();
        let own: Vec<_> = all.iter().filter(|it| of(it, address)).collect();
        let oldest = |it: &&Socket| since(it.stage);
        if address != 0 && own.len() >= PER_ADDRESS as usize {
            return own.into_iter().min_by_key(|it| oldest(it)).map(|it| it.name);
        }
        if all.len() + others < MAX {
            return None;
        }
        let size = |it: &&&Socket| all.iter().filter(|other| of(other, it.address)).count();
        let most = all.iter().map(|it| size(&it)).max()?;
        let largest = all.iter().filter(|it| size(it) == most);
        largest.min_by_key(|it| oldest(it)).map(|it| it.name)
    }

    /// The door has had this one make room. Of two that have been silent for as long, either will
    /// do.
    fn evict(
        &mut self,
        evicted: Option<usize>,
        expected: Option<usize>,
        since: impl Fn(Stage) -> Option<Timestamp>,
    ) {
        let silence = |name: Option<usize>| {
            let socket = self.sockets.iter().find(|socket| Some(socket.name) == name);
            socket.map(|socket| since(socket.stage))
        };
        assert_eq!(silence(evicted), silence(expected));
        for socket in &mut self.sockets {
            if Some(socket.name) == evicted {
                socket.stage = Stage::Evicted;
            }
        }
    }

    fn enter(&mut self, address: u8) {
        let since = |stage| if let Stage::Waiting(at) = stage { Some(at) } else { None };
        let deciding = self.count(|socket| socket.stage == Stage::Deciding);
        let expected = self.victim(address, since, deciding);
        let ip = (address > 0).then(|| IpAddr::from([192, 0, 2, address]));
        let name = self.next;
        let has_room = self.door.has_room(self.now);
        let Some((place, evicted)) = self.door.enter(self.now, ip, name) else {
            assert!(!has_room);
            return;
        };
        assert!(has_room);
        self.evict(evicted, expected, since);
        self.next += 1;
        let stage = Stage::Waiting(self.now);
        self.sockets.push(Socket { name, address, stage, place });
    }

    fn decide(&mut self, index: usize) {
        let socket = &self.sockets[index];
        let Stage::Waiting(_) = socket.stage else { return };
        let address = socket.address;
        let decided = self.door.decide(self.now, &socket.place);
        let deciding =
            self.count(|socket| socket.address == address && socket.stage == Stage::Deciding);
        let open = self.count(|socket| socket.address == address && socket.stage == Stage::Open);
        if address > 0 && !matches!(decided, Err(TooMany::Connects(_))) {
            self.passed[usize::from(address)].push(self.now);
        }
        let expected = if address == 0 {
            Ok(())
        } else if deciding + open >= CONNECTIONS as usize {
            Err("address_limit")
        } else if deciding >= PER_ADDRESS as usize {
            Err("handshake_limit")
        } else {
            Ok(())
        };
        if !matches!(decided, Err(TooMany::Connects(_))) {
            assert_eq!(decided.map_err(|refused| refused.to_error().code), expected);
        }
        if decided.is_ok() {
            self.sockets[index].stage = Stage::Deciding;
        }
    }

    fn farewell(&mut self, index: usize) {
        let since = |stage| if let Stage::Farewell(at) = stage { Some(at) } else { None };
        let Socket { name, address, stage, .. } = self.sockets[index];
        let is_first = !matches!(stage, Stage::Farewell(_) | Stage::Evicted);
        let expected = is_first.then(|| self.victim(address, since, 0)).flatten();
        let place = &mut self.sockets[index].place;
        let evicted = self.door.farewell(self.now, place, name);
        self.evict(evicted, expected, since);
        if is_first {
            self.sockets[index].stage = Stage::Farewell(self.now);
        }
    }

    fn step(&mut self, step: Step) {
        let some = self.sockets.len();
        match step {
            Step::Wait(micros) => self.now = self.now + Duration::from_micros(micros),
            Step::Enter(address) => self.enter(address),
            Step::Heard(n) if some > 0 => {
                let socket = &mut self.sockets[n % some];
                self.door.heard(self.now, &socket.place);
                if let Stage::Waiting(at) = &mut socket.stage {
                    *at = self.now;
                }
            }
            Step::Decide(n) if some > 0 => self.decide(n % some),
            Step::Opened(n) if some > 0 => {
                let socket = &mut self.sockets[n % some];
                self.door.opened(&mut socket.place);
                if socket.stage == Stage::Deciding {
                    socket.stage = Stage::Open;
                }
            }
            Step::Farewell(n) if some > 0 => self.farewell(n % some),
            Step::Left(n) if some > 0 => {
                let socket = self.sockets.swap_remove(n % some);
                self.door.left(socket.place);
            }
            Step::Heard(_)
            | Step::Decide(_)
            | Step::Opened(_)
            | Step::Farewell(_)
            | Step::Left(_) => {}
        }
    }

    fn check(&self) {
        let is_handshake = |stage| matches!(stage, Stage::Waiting(_) | Stage::Deciding);
        assert!(self.count(|it| is_handshake(it.stage)) <= MAX);
        assert!(self.count(|it| matches!(it.stage, Stage::Farewell(_))) <= MAX);
        for address in 1..4 {
            let of = |holds: fn(Stage) -> bool| {
                self.count(|socket| socket.address == address && holds(socket.stage))
            };
            let per_address = PER_ADDRESS as usize;
            assert!(of(|stage| matches!(stage, Stage::Waiting(_))) <= per_address);
            assert!(of(|stage| matches!(stage, Stage::Farewell(_))) <= per_address);
            assert!(of(|stage| stage == Stage::Deciding) <= per_address);
            let connections = of(|stage| matches!(stage, Stage::Deciding | Stage::Open));
            assert!(connections <= CONNECTIONS as usize);
        }
    }

    /// In no span of time have more passed than the burst and what the rate allows in that time.
    fn check_rates(&self) {
        for times in &self.passed {
            for (first, start) in times.iter().enumerate() {
                for (last, end) in times.iter().enumerate().skip(first) {
                    let micros = (*end - *start).as_micros();
                    let refilled = micros * u128::from(RATE.per_second) / 1_000_000;
                    let passed = (last - first + 1) as u128;
                    assert!(passed <= u128::from(RATE.burst) + refilled, "{start:?} to {end:?}");
                }
            }
        }
    }
}

/// Failures are reproduced from the seed that is printed.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn the_bounds_hold_and_the_right_one_makes_room(steps in steps()) {
        let mut world = World {
            now: Timestamp::from_millis(1),
            door: Door::new(&settings()),
            sockets: Vec::new(),
            next: 0,
            passed: vec![Vec::new(); 4],
        };
        for step in steps {
            world.step(step);
            world.check();
        }
        world.check_rates();
    }
}

proptest! {
    #![proptest_config(cases(48))]

    /// Another address fills the backlog with silent sockets as fast as they are accepted; some
    /// drip. A turn of the loop reads first, and then accepts 64 sockets, in a millisecond.
    #[test]
    fn an_honest_address_is_in_within_a_second(
        counts in any::<bool>(),
        backlog in 1_usize..8_192,
        arrives in 0_u64..2_000,
        drips in 1_usize..50,
    ) {
        const SILENT: usize = 0;
        const HONEST: usize = 1;
        let mut settings = ServerSettings::default();
        if counts {
            settings.config.limits.loopback = Loopback::Count;
        }
        let mut door = Door::new(&settings);
        let mut waiting: VecDeque<usize> = VecDeque::new();
        let mut silent = VecDeque::new();
        let mut honest: Option<Place> = None;
        let start = Timestamp::from_millis(1);
        for turn in 0..arrives + 1_000 {
            let now = start + Duration::from_millis(turn);
            waiting.resize(backlog.max(waiting.len()), SILENT);
            if turn == arrives {
                waiting.push_back(HONEST);
            }
            if let Some(place) = honest.take() {
                prop_assert!(!door.is_evicted(&place));
                prop_assert_eq!(door.decide(now, &place), Ok(()));
                door.left(place);
                return Ok(());
            }
            silent.iter().step_by(drips).for_each(|place| door.heard(now, place));
            for _ in 0..64 {
                if !door.has_room(now) {
                    break;
                }
                let Some(name) = waiting.pop_front() else { break };
                let address = IpAddr::from([127, 0, 0, if name == HONEST { 3 } else { 2 }]);
                let (place, _) = door.enter(now, Some(address), name).expect("there is room");
                if name == HONEST { honest = Some(place) } else { silent.push_back(place) }
            }
            let (evicted, others) = silent.into_iter().partition(|place| door.is_evicted(place));
            silent = others;
            let evicted: VecDeque<Place> = evicted;
            evicted.into_iter().for_each(|place| door.left(place));
            let most = if counts { 64 } else { 1_024 };
            prop_assert!(silent.len() <= most);
        }
        prop_assert!(false, "it waited for more than a second");
    }
}
