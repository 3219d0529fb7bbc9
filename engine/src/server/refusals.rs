//! Refused requests, counted and logged without letting peers fill the log.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use switchboard_core::Timestamp;
use switchboard_core::http::{HttpError, Response};

/// After a line about a reason, further refusals for it are summed for this long.
const SUMMED_FOR: Duration = Duration::from_secs(60);

/// How often requests were refused, by the code of the reason. Codes are static, so there are few.
#[derive(Default, Debug)]
pub(super) struct Refusals(Mutex<BTreeMap<&'static str, Tally>>);

#[derive(Clone, Copy, Default, Debug)]
struct Tally {
    total: u64,
    /// Refusals that are not in the log yet.
    unlogged: u64,
    /// When they will be.
    summed_at: Option<Timestamp>,
}

impl Refusals {
    /// An upgrade was refused, or a request that cannot be read. The first of a reason is logged at
    /// once, and those within the next minute together at its end.
    pub(super) fn upgrade(&self, now: Timestamp, refusal: &HttpError) {
        self.log_sums(now);
        if self.lock().entry(refusal.code).or_default().is_news(now) {
            let (message, compared) = (&*refusal.message, refusal.compared_with());
            let setting = setting(refusal.code);
            let status = refusal.status.code();
            // As fields, whose texts are quoted and escaped: they may be the peer's.
            tracing::info!(
                reason = refusal.code,
                status,
                why = message,
                compared_with = compared,
                setting,
                "an upgrade is refused"
            );
        }
    }

    /// A request that is not an upgrade was answered.
    pub(super) fn response(&self, response: &Response) {
        if let Some(code) = response.refusal() {
            self.lock().entry(code).or_default().total += 1;
            tracing::debug!(reason = code, status = response.status().code(), "refused a request");
        }
    }

    /// Logs the sums that are due.
    pub(super) fn log_sums(&self, now: Timestamp) {
        for (reason, refusals) in self.take_sums(now) {
            let setting = setting(reason);
            tracing::info!(reason, refusals, setting, "more upgrades were refused in a minute");
        }
    }

    fn take_sums(&self, now: Timestamp) -> Vec<(&'static str, u64)> {
        let mut tallies = self.lock();
        let sums = tallies.iter_mut().filter_map(|(reason, it)| Some((*reason, it.sum(now)?)));
        sums.collect()
    }

    /// When the next sum is due.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let tallies = self.lock();
        tallies.values().filter(|it| it.unlogged > 0).filter_map(|it| it.summed_at).min()
    }

    /// The number of refusals of each reason, in the order of their codes.
    pub(super) fn totals(&self) -> Vec<(&'static str, u64)> {
        self.lock().iter().map(|(reason, it)| (*reason, it.total)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    /// Counts a refusal. Returns whether it is to be logged now.
    fn is_news(&mut self, now: Timestamp) -> bool {
        self.total += 1;
        let is_news = self.summed_at.is_none();
        if is_news {
            self.summed_at = Some(now + SUMMED_FOR);
        } else {
            self.unlogged += 1;
        }
        is_news
    }

    /// Ends the minute if it is over, and returns what is to be logged of it.
    fn sum(&mut self, now: Timestamp) -> Option<u64> {
        self.summed_at.take_if(|at| *at <= now)?;
        let unlogged = std::mem::take(&mut self.unlogged);
        (unlogged > 0).then_some(unlogged)
    }
}

/// The setting of the program that decides about a reason, if there is one.
fn setting(code: &str) -> Option<&'static str> {
    Some(match code {
        "origin_not_allowed" => "origins.allowed",
        "host_not_allowed" => "origins.hosts",
        "unauthorized" => "auth",
        "server_full" => "limits.max_connections",
        "lobby_full" => "limits.max_per_room",
        "user_limit" => "limits.max_per_user",
        "too_many_rooms" => "limits.max_rooms_per_connection",
        "connect_rate" => "limits.connects_per_address",
        "address_limit" => "limits.connections_per_address",
        "handshake_limit" => "limits.handshakes_per_address",
        "handshake_evicted" => "limits.max_handshakes",
        "head_too_large" => "limits.max_head_bytes",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::ZERO;

    fn at_end_of_minute() -> Timestamp {
        START + SUMMED_FOR
    }

    #[test]
    fn the_first_of_a_minute_is_logged_and_the_others_are_summed() {
        let mut tally = Tally::default();
        assert!(tally.is_news(START));
        assert!(!tally.is_news(START));
        let last = START + (SUMMED_FOR - Duration::from_micros(1));
        assert_eq!(tally.sum(last), None);
        assert!(!tally.is_news(last));
        assert_eq!(tally.sum(at_end_of_minute()), Some(2));
        assert!(tally.is_news(at_end_of_minute()), "a new minute");
        assert_eq!(tally.sum(at_end_of_minute() + SUMMED_FOR), None, "there were no others");
        assert_eq!(tally.total, 4);
    }

    #[test]
    fn each_reason_has_a_minute_of_its_own_and_ends_by_itself() {
        let refusals = Refusals::default();
        let (bad, late) = (HttpError::bad_request("bad", ""), HttpError::request_timeout());
        refusals.upgrade(START, &bad);
        assert_eq!(refusals.next_deadline(), None, "nothing is left to say");
        let second = START + Duration::from_secs(1);
        refusals.upgrade(second, &late);
        refusals.upgrade(second, &late);
        assert_eq!(refusals.next_deadline(), Some(second + SUMMED_FOR));
        refusals.upgrade(second, &bad);
        assert_eq!(refusals.next_deadline(), Some(at_end_of_minute()));
        assert_eq!(refusals.take_sums(at_end_of_minute()), [("bad", 1)]);
        assert_eq!(refusals.take_sums(second + SUMMED_FOR), [("request_timeout", 1)]);
        assert_eq!(refusals.next_deadline(), None);
        assert_eq!(refusals.totals(), [("bad", 2), ("request_timeout", 2)]);
    }

    #[test]
    fn other_requests_are_counted_if_they_are_refused() {
        let refusals = Refusals::default();
        refusals.response(&HttpError::not_found().to_response());
        refusals.response(&Response::new(switchboard_core::http::Status::Ok, "text/plain", ""));
        assert_eq!(refusals.totals(), [("not_found", 1)]);
        assert_eq!(refusals.next_deadline(), None);
    }
}
