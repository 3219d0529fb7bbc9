//! Which sockets are ready: epoll, with a timer finer than its own milliseconds.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// Few sockets at a time, so that what is due to be published is not late.
const EVENTS: usize = 64;

/// The key of the timer.
const TIMER: u64 = u64::MAX;

/// What happened to a socket.
#[derive(Clone, Copy)]
pub(super) struct Ready {
    pub(super) key: u64,
    pub(super) can_read: bool,
    pub(super) can_write: bool,
}

pub(super) struct Poll {
    epoll: OwnedFd,
    timer: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poll {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN | EventFlags::ET)?;
        Ok(Self { epoll, timer, events: Vec::with_capacity(EVENTS) })
    }

    /// Watches a socket until it is closed. It is told of once whenever it becomes ready for something.
    pub(super) fn add(&self, source: impl AsFd, key: u64) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.epoll, source, EventData::new_u64(key), flags)?)
    }

    /// Waits for at most so long, and adds what is ready.
    pub(super) fn wait(&mut self, longest: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.events.clear();
        let whole = Duration::from_millis(u64::try_from(longest.as_millis()).unwrap_or(u64::MAX));
        // epoll rounds up to milliseconds.
        if whole != longest {
            let spec = Itimerspec {
                it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                it_value: timespec(longest),
            };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec)?;
        }
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, spare, Some(&timespec(longest))) {
            // A signal: whoever waits for one has its own flag.
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        ready.extend(self.events.iter().filter(|event| event.data.u64() != TIMER).map(|event| {
            let flags = event.flags;
            let broken = EventFlags::HUP | EventFlags::ERR;
            Ready {
                key: event.data.u64(),
                can_read: flags.intersects(EventFlags::IN | EventFlags::RDHUP | broken),
                can_write: flags.intersects(EventFlags::OUT | broken),
            }
        }));
        Ok(())
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    #[test]
    fn it_wakes_up_for_sockets_and_within_a_millisecond() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (here, _) = listener.accept().unwrap();
        let mut poll = Poll::new().unwrap();
        poll.add(&here, 7).unwrap();
        let mut ready = Vec::new();
        poll.wait(Duration::from_secs(10), &mut ready).unwrap();
        assert!(ready.iter().any(|ready| ready.key == 7 && ready.can_write && !ready.can_read));

        ready.clear();
        // The quickest of some, because the machine may be busy.
        let waits = (0..20).map(|_| {
            let start = Instant::now();
            poll.wait(Duration::from_micros(200), &mut ready).unwrap();
            start.elapsed()
        });
        let shortest = waits.min().unwrap();
        assert!(ready.is_empty(), "told once");
        assert!((150..950).contains(&shortest.as_micros()), "{shortest:?}");

        there.write_all(b"x").unwrap();
        poll.wait(Duration::from_secs(10), &mut ready).unwrap();
        assert!(ready.iter().any(|ready| ready.key == 7 && ready.can_read));
    }
}
