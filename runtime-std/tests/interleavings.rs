//! What threads share, in thousands of orders in which they may come to it. Shuttle runs one thread at a time, changes over at
//! every lock and every wait, and calls it a failure when nobody can go on: a wake-up was lost.
//!
//! The files are those of the library. They take what they share data by from `super::sync`, which here is shuttle's.

#![allow(dead_code, unreachable_pub, reason = "the files have more than these tests use")]

use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;
use switchboard_core::Timestamp;
use switchboard_engine::server::{Door, ServerSettings};

mod sync {
    pub(crate) use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard, atomic};
    pub(crate) use shuttle::{thread, thread_local};
    pub(crate) use std::sync::PoisonError;

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[path = "../src/threads.rs"]
mod threads;
#[path = "../src/waiting.rs"]
mod waiting;

use sync::lock;
use threads::Threads;
use waiting::{Alarm, Doorway, Entered, Gate, InTurn};

const STACK: usize = 64 * 1024;

/// In random orders, and in those with few changes at the worst moments.
fn in_many_orders(test: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(test.clone(), 2_000);
    shuttle::check_pct(test, 2_000, 3);
}

#[test]
fn who_waits_for_all_threads_waits_for_all_of_them() {
    in_many_orders(|| {
        let (threads, done) = (Arc::new(Threads::default()), Arc::new(AtomicUsize::new(0)));
        let mut begun = 0;
        for _ in 0..3 {
            let (inner, done) = (threads.clone(), done.clone());
            let work = move || {
                // One of the server's own cannot wait for itself.
                inner.join_all();
                done.fetch_add(1, Ordering::SeqCst);
            };
            begun += usize::from(threads.start("one", STACK, None, work).is_ok());
        }
        let (other, at_the_end) = (threads.clone(), done.clone());
        let closing = thread::spawn(move || {
            other.close();
            other.join_all();
            at_the_end.load(Ordering::SeqCst)
        });
        threads.join_all();
        assert_eq!((begun, done.load(Ordering::SeqCst)), (3, 3));
        assert_eq!(closing.join().expect("no panic"), 3);
        assert!(threads.start("late", STACK, None, || ()).is_err(), "the server has ended");
    });
}

#[test]
fn who_comes_while_all_end_is_joined_or_turned_away() {
    in_many_orders(|| {
        let threads = Arc::new(Threads::default());
        let started = threads.start("one", STACK, None, || ());
        let second = threads.clone();
        let other = thread::spawn(move || second.start("two", STACK, None, || ()).is_ok());
        threads.close();
        threads.join_all();
        assert!(started.is_ok());
        // It was in time or not; if it was, it has been joined here or is joined now.
        let _ = other.join();
        threads.join_all();
    });
}

/// As `turn::time_keeper` does: it looks at the deadline under the driver's lock, and sleeps without it.
#[test]
fn no_deadline_is_slept_through() {
    in_many_orders(|| {
        let (alarm, driver) = (Arc::new(Alarm::default()), Arc::new(Mutex::new(None)));
        let (looks, deadline) = (alarm.clone(), driver.clone());
        let keeper = thread::spawn(move || {
            loop {
                let next = lock(&deadline);
                looks.looks_at(*next);
                let is_seen = next.is_some();
                drop(next);
                if is_seen || looks.is_stopped() {
                    return is_seen;
                }
                looks.wait(None);
            }
        });
        let soon = Timestamp::from_millis(5);
        *lock(&driver) = Some(soon);
        alarm.set(soon);
        assert!(keeper.join().expect("no panic"), "it ends when it has seen the deadline");
    });
}

#[test]
fn the_time_keeper_ends_when_it_is_told_to() {
    in_many_orders(|| {
        let alarm = Arc::new(Alarm::default());
        let looks = alarm.clone();
        let keeper = thread::spawn(move || {
            while !looks.is_stopped() {
                looks.looks_at(None);
                looks.wait(None);
            }
        });
        alarm.stop();
        keeper.join().expect("no panic");
    });
}

#[test]
fn everybody_gets_through_an_open_gate() {
    in_many_orders(|| {
        let gate = Arc::new(Gate::default());
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let gate = gate.clone();
                thread::spawn(move || gate.wait())
            })
            .collect();
        gate.open();
        waiters.into_iter().for_each(|waiter| waiter.join().expect("no panic"));
        assert!(gate.is_open());
    });
}

fn doorway(max_handshakes: usize) -> Arc<Doorway<usize>> {
    let settings = ServerSettings { max_handshakes, ..ServerSettings::default() };
    Arc::new(Doorway::new(Door::new(&settings)))
}

/// Lets the socket of this name in at this time. Returns `None` if the server has ended.
fn enter(doorway: &Doorway<usize>, at: u64, name: usize) -> Option<Entered<usize, ()>> {
    let address = IpAddr::from([127, 0, 0, 1]);
    let entered = doorway.accept(|| Timestamp::from_micros(at), || Ok((address, name, ())))?;
    Some(entered.expect("there is room"))
}

#[test]
fn handshakes_are_bounded_and_none_waits_for_nothing() {
    in_many_orders(|| {
        let (doorway, now) = (doorway(2), Arc::new(AtomicUsize::new(0)));
        let listeners: Vec<_> = (0..3)
            .map(|name| {
                let (doorway, now) = (doorway.clone(), now.clone());
                thread::spawn(move || {
                    let decide = |door: &mut Door<usize>| {
                        let address = IpAddr::from([127, 0, 0, 1]);
                        let (place, evicted) =
                            door.enter(Timestamp::ZERO, Some(address), name).expect("room");
                        assert_eq!(evicted, None);
                        door.decide(Timestamp::ZERO, &place).expect("loopback is exempt");
                        place
                    };
                    // What is being decided does not make room: the third listener has to wait.
                    let place = doorway.when_there_is_room(|| Timestamp::ZERO, decide);
                    let place = place.expect("the server has not ended");
                    assert!(now.fetch_add(1, Ordering::SeqCst) < 2, "one too many");
                    now.fetch_sub(1, Ordering::SeqCst);
                    doorway.change(|door| door.left(place));
                })
            })
            .collect();
        listeners.into_iter().for_each(|listener| listener.join().expect("no panic"));
    });
}

#[test]
fn a_silent_handshake_makes_room_and_the_thread_that_waits_hears_of_it() {
    in_many_orders(|| {
        let doorway = doorway(1);
        let silent = enter(&doorway, 0, 1).expect("the server has not ended").place;
        let waits = doorway.clone();
        let waiting = thread::spawn(move || {
            waits.wait_in(&silent, Instant::now() + Duration::from_secs(3_600));
            assert!(waits.change(|door| door.is_evicted(&silent)));
            waits.change(|door| door.left(silent));
        });
        let entered = enter(&doorway, 1, 2).expect("the server has not ended");
        assert_eq!(entered.evicted, Some(1));
        waiting.join().expect("no panic");
        doorway.change(|door| door.left(entered.place));
    });
}

#[test]
fn what_waits_for_room_hears_that_the_server_has_ended() {
    in_many_orders(|| {
        let doorway = doorway(1);
        let decided = enter(&doorway, 0, 1).expect("the server has not ended").place;
        doorway.change(|door| door.decide(Timestamp::ZERO, &decided)).expect("it is exempt");
        let waits = doorway.clone();
        let listener = thread::spawn(move || enter(&waits, 1, 2).is_none());
        doorway.end();
        assert!(listener.join().expect("no panic"));
        doorway.change(|door| door.left(decided));
    });
}

/// As in `Shared::drive_for`: things are pushed under the driver's lock, and worked off without it.
#[test]
fn everything_is_reported_once_and_in_order() {
    in_many_orders(|| {
        let (driver, line) = (Arc::new(Mutex::new(0)), Arc::new(InTurn::default()));
        let told = Arc::new(Mutex::new(Vec::new()));
        let drivers: Vec<_> = (0..3)
            .map(|_| {
                let (driver, line, told) = (driver.clone(), line.clone(), told.clone());
                thread::spawn(move || {
                    for _ in 0..2 {
                        let mut next = driver.lock().unwrap_or_else(PoisonError::into_inner);
                        line.push(*next);
                        *next += 1;
                        drop(next);
                        line.work_off(|number| lock(&told).push(number));
                    }
                })
            })
            .collect();
        drivers.into_iter().for_each(|driver| driver.join().expect("no panic"));
        assert_eq!(*lock(&told), [0, 1, 2, 3, 4, 5]);
    });
}
