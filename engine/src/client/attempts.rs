//! In which order, and when, the addresses of a name are tried (RFC 8305, "Happy Eyeballs").

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an attempt is alone before the next one begins beside it: the Connection Attempt Delay
/// of RFC 8305.
const DELAY: Duration = Duration::from_millis(250);

/// Attempts to connect to the addresses of one name. The first that succeeds wins; until then, a
/// further address is tried whenever one fails, and every 250 ms in any case, so that an address
/// that answers nothing does not keep the others waiting.
///
/// ```
/// use std::time::{Duration, Instant};
/// use switchboard_engine::client::{Attempt, Attempts};
///
/// let (silent, other) = ("[2001:db8::1]:80".parse()?, "192.0.2.1:80".parse()?);
/// let mut attempts = Attempts::new([silent, other]);
/// let now = Instant::now();
/// let later = now + Duration::from_millis(250);
/// assert_eq!(attempts.next(now), Attempt::Begin(silent));
/// assert_eq!(attempts.next(now), Attempt::WaitUntil(later));
/// assert_eq!(attempts.next(later), Attempt::Begin(other));
/// assert_eq!(attempts.next(later), Attempt::Wait);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct Attempts {
    waiting: VecDeque<SocketAddr>,
    under_way: usize,
    /// When the next one begins, if those under way do not fail before.
    next_at: Option<Instant>,
}

/// What a loop does next for its [`Attempts`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// Begin to connect to this address, and ask again.
    Begin(SocketAddr),
    /// Ask again at this time, or when an attempt has failed.
    WaitUntil(Instant),
    /// Ask again when an attempt has failed.
    Wait,
    /// All have failed.
    Over,
}

impl Attempts {
    /// Attempts at these addresses, in the resolver's order, but with families that alternate as
    /// long as there are addresses of both.
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let mut waiting = VecDeque::new();
        let mut addresses: VecDeque<_> = addresses.into_iter().collect();
        let mut is_next_ipv6 = addresses.front().is_some_and(SocketAddr::is_ipv6);
        while !addresses.is_empty() {
            let of_family = addresses.iter().position(|it| it.is_ipv6() == is_next_ipv6);
            waiting.extend(addresses.remove(of_family.unwrap_or(0)));
            is_next_ipv6 = !is_next_ipv6;
        }
        Self { waiting, under_way: 0, next_at: None }
    }

    /// Returns what to do at this time.
    pub fn next(&mut self, now: Instant) -> Attempt {
        match self.next_at.filter(|at| *at > now) {
            Some(at) if !self.waiting.is_empty() => Attempt::WaitUntil(at),
            _ => match self.waiting.pop_front() {
                Some(address) => {
                    self.under_way += 1;
                    self.next_at = Some(now + DELAY);
                    Attempt::Begin(address)
                }
                None if self.under_way > 0 => Attempt::Wait,
                None => Attempt::Over,
            },
        }
    }

    /// One of those that are under way has failed: the next one begins at once.
    pub fn failed(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
        self.next_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 80).into()
    }

    fn v6(last: u16) -> SocketAddr {
        ([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 80).into()
    }

    fn order(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        Attempts::new(addresses.iter().copied()).waiting.into()
    }

    #[test]
    fn families_alternate_and_the_resolvers_first_comes_first() {
        assert_eq!(order(&[v6(1), v6(2), v6(3), v4(1)]), [v6(1), v4(1), v6(2), v6(3)]);
        assert_eq!(order(&[v4(1), v4(2), v6(1), v6(2)]), [v4(1), v6(1), v4(2), v6(2)]);
        assert_eq!(order(&[v4(2), v4(1)]), [v4(2), v4(1)]);
    }

    #[test]
    fn the_next_one_begins_after_a_quarter_of_a_second() {
        let mut attempts = Attempts::new([v4(1), v4(2), v4(3)]);
        let start = Instant::now();
        assert_eq!(attempts.next(start), Attempt::Begin(v4(1)));
        let second = start + DELAY;
        let before = second.checked_sub(Duration::from_nanos(1)).expect("a time");
        assert_eq!(attempts.next(before), Attempt::WaitUntil(second));
        assert_eq!(attempts.next(second), Attempt::Begin(v4(2)));
        assert_eq!(attempts.next(second), Attempt::WaitUntil(second + DELAY));
    }

    #[test]
    fn the_next_one_begins_at_once_when_one_has_failed() {
        let mut attempts = Attempts::new([v4(1), v4(2), v4(3)]);
        let start = Instant::now();
        assert_eq!(attempts.next(start), Attempt::Begin(v4(1)));
        attempts.failed();
        assert_eq!(attempts.next(start), Attempt::Begin(v4(2)));
        assert_eq!(attempts.next(start), Attempt::WaitUntil(start + DELAY));
        attempts.failed();
        assert_eq!(attempts.next(start), Attempt::Begin(v4(3)));
        assert_eq!(attempts.next(start), Attempt::Wait);
        attempts.failed();
        assert_eq!(attempts.next(start), Attempt::Over);
    }

    #[test]
    fn the_end_is_when_all_that_are_under_way_have_failed() {
        assert_eq!(Attempts::new([]).next(Instant::now()), Attempt::Over);
        let mut attempts = Attempts::new([v4(1), v6(1)]);
        let start = Instant::now();
        assert_eq!(attempts.next(start), Attempt::Begin(v4(1)));
        assert_eq!(attempts.next(start + DELAY), Attempt::Begin(v6(1)));
        attempts.failed();
        assert_eq!(attempts.next(start + DELAY), Attempt::Wait);
        attempts.failed();
        assert_eq!(attempts.next(start + DELAY), Attempt::Over);
    }
}
