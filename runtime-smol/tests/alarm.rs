//! The server's thread sleeps through nothing, whatever order things happen in, and whatever of it other processors see
//! first. Loom tries all of that.
//!
//! The file is the library's. It takes what it shares data by from `super::sync`, which here is loom's.

#![allow(unreachable_pub, reason = "the file belongs to the library")]

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
}

#[path = "../src/alarm.rs"]
mod alarm;

use alarm::Alarm;

/// The kernel's side of the bell: whoever waits is let go once it was rung, before or after.
struct Server {
    alarm: Alarm,
    bell: Notify,
    stop: AtomicBool,
    written: AtomicUsize,
}

impl Server {
    fn ring(&self) {
        if self.alarm.ring() {
            self.bell.notify();
        }
    }
}

fn model(test: impl Fn(Arc<Server>) + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    // With more changes of thread than these it takes minutes, and finds no more.
    model.preemption_bound = Some(3);
    model.check(move || {
        let (stop, written) = (AtomicBool::new(false), AtomicUsize::new(0));
        test(Arc::new(Server { alarm: Alarm::default(), bell: Notify::new(), stop, written }));
    });
}

/// As `reactor::run` does, with somebody who says stop, as `Stay::drop` does.
#[test]
fn a_thread_that_is_told_to_stop_stops() {
    model(|server| {
        let other = server.clone();
        let telling = thread::spawn(move || {
            other.stop.store(true, Ordering::Release);
            other.ring();
        });
        while !server.stop.load(Ordering::Acquire) {
            server.alarm.going_to_sleep();
            if !server.stop.load(Ordering::Acquire) {
                server.bell.wait();
            }
            server.alarm.awake();
        }
        telling.join().expect("no panic");
    });
}

/// As `reactor::run` does, with writers who bring back what they have written.
#[test]
fn what_is_brought_back_is_taken() {
    model(|server| {
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let server = server.clone();
                thread::spawn(move || {
                    server.written.fetch_add(1, Ordering::Release);
                    server.ring();
                })
            })
            .collect();
        loop {
            server.alarm.going_to_sleep();
            if server.written.load(Ordering::Acquire) == 2 {
                break;
            }
            server.bell.wait();
            server.alarm.awake();
        }
        writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
    });
}
