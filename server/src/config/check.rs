//! Rules between several keys, each of which is valid by itself.

use switchboard_core::http::{HostPattern, OriginPattern};

use super::Config;
use super::keys::{AuthMode, Stats};
use crate::{bind, logging};

/// The shortest key worth using: as long as the output of SHA-256.
const MIN_SECRET_BYTES: usize = 32;

/// One terabyte.
const MAX_RECORD_MEGABYTES: usize = 1024 * 1024;

/// More threads than any machine needs: each has a stack, even while it waits.
const MAX_THREADS: usize = 256;

/// Reports each problem with the keys to blame, the most likely one first.
pub(super) fn check(config: &Config, report: &mut dyn FnMut(&[&str], &str)) {
    let Config { server, limits, heartbeat, origins, log, record, .. } = config;

    if let Err(what) = bind::check_address(&server.listen) {
        report(&["listen"], &what);
    }
    if !(1..=MAX_THREADS).contains(&server.threads) {
        report(&["threads"], &format!("threads must be from 1 to {MAX_THREADS}"));
    }
    if limits.messages.per_second > 0 && limits.messages.burst == 0 {
        report(
            &["limits.message_burst", "limits.messages_per_second"],
            "limits.message_burst must be at least 1, or no message ever gets through; to switch \
             the limit off, set limits.messages_per_second = 0",
        );
    }
    if limits.max_message_bytes != usize::MAX && limits.max_message_bytes > limits.outbox_bytes {
        report(
            &["limits.outbox_bytes", "limits.max_message_bytes"],
            "limits.outbox_bytes must be at least limits.max_message_bytes, or the largest \
             message can never be delivered",
        );
    }
    if !(1..=MAX_RECORD_MEGABYTES).contains(&record.megabytes) {
        report(
            &["record.megabytes"],
            &format!("record.megabytes must be between 1 and {MAX_RECORD_MEGABYTES}"),
        );
    }
    if heartbeat.interval.is_zero() {
        report(&["heartbeat.interval"], "heartbeat.interval must be more than 0");
    } else if heartbeat.stale_after <= heartbeat.interval {
        report(
            &["heartbeat.stale_after", "heartbeat.interval"],
            "heartbeat.stale_after must be more than heartbeat.interval, or a healthy connection \
             is closed before it is asked",
        );
    }
    if heartbeat.probe_timeout.is_zero() {
        report(&["heartbeat.probe_timeout"], "heartbeat.probe_timeout must be more than 0");
    }
    for (prefix, class) in &config.rooms {
        if class.history.is_kept() && class.history.age.is_zero() {
            let key = format!("rooms.{}.history_age", super::quoted(prefix));
            report(
                &[&key],
                &format!("{key} must be more than 0; to keep nothing, set history_events = 0"),
            );
        }
    }
    for origin in &origins.allowed {
        if let Err(what) = check_origin(origin) {
            report(&["origins.allowed"], &what);
        }
    }
    for host in &origins.hosts {
        if let Err(what) = host.parse::<HostPattern>() {
            report(&["origins.hosts"], &what.to_string());
        }
    }
    if let Err(what) = logging::check_level(&log.level) {
        report(&["log.level"], &what);
    }
    if config.dashboard.stats == Stats::Token && config.auth.mode != AuthMode::Jwt {
        report(
            &["dashboard.stats", "auth.mode"],
            "dashboard.stats is \"token\", but auth.mode is not \"jwt\", so nobody has a token that \
             shows them",
        );
    }
    check_auth(config, report);
}

fn check_auth(config: &Config, report: &mut dyn FnMut(&[&str], &str)) {
    let keys = ["auth.hs256_secret", "auth.hs256_secret_file"];
    match (config.auth.mode, &config.secret) {
        (AuthMode::Jwt, None) => report(
            &["auth.mode"],
            "auth.mode is \"jwt\", but there is no key to check tokens with: set \
             auth.hs256_secret, auth.hs256_secret_file or SWITCHBOARD_AUTH_HS256_SECRET \
             (`switchboard token` also takes --secret)",
        ),
        (AuthMode::Jwt, Some(secret)) if secret.as_bytes().len() < MIN_SECRET_BYTES => {
            let length = secret.as_bytes().len();
            report(
                &keys,
                &format!(
                    "the secret has {length} bytes and must have at least {MIN_SECRET_BYTES}: a \
                     shorter one can be guessed; `openssl rand -base64 48` makes a good one"
                ),
            );
        }
        (AuthMode::Anonymous, Some(_)) => report(
            &keys,
            "there is a secret, but auth.mode is \"anonymous\", so nobody would need a token: set \
             auth.mode = \"jwt\", or remove the secret",
        ),
        (AuthMode::Jwt, Some(_)) | (AuthMode::Anonymous, None) => {}
    }
}

/// Checks an origin. Browsers send `scheme://host[:port]`; an entry of another shape would never
/// match. The core decides, because it does the matching.
fn check_origin(origin: &str) -> Result<(), String> {
    let host = origin.split_once("://").map(|(_, host)| host);
    if origin == "*" || origin.parse::<OriginPattern>().is_ok() {
        return Ok(());
    }
    match host {
        Some(host) if host.trim_end_matches('/') != host => Err(format!(
            "{origin:?} never matches: an origin has no path, so write {:?}",
            origin.trim_end_matches('/')
        )),
        _ => Err(format!(
            "{origin:?} is not an origin: expected \"*\" or a text such as \
             \"https://example.com\" or \"http://localhost:3000\""
        )),
    }
}
