//! The operating system's limit on open files. Each connection is one.

use std::io;

use rlimit::Resource;

/// Files that are not sockets of clients: listeners, logs, the poller.
const RESERVE: u64 = 64;

/// The number of files that the process may have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenFiles {
    pub(crate) limit: u64,
}

/// The sockets that the configuration allows. As many as handshakes may be sockets that send their
/// last bytes, when their seats are free already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sockets {
    pub(crate) connections: u64,
    pub(crate) handshakes: u64,
}

impl Sockets {
    /// Checks that they fit.
    ///
    /// # Errors
    /// Returns what to do if they do not.
    pub(crate) fn check(self, files: OpenFiles) -> Result<(), String> {
        let Self { connections, handshakes } = self;
        let besides = handshakes.saturating_mul(2);
        let what = format!(
            "{connections} connections, {handshakes} handshakes and as many sockets that are being \
             closed"
        );
        let shortage = match files.suffice_for(connections.saturating_add(besides), &what) {
            Ok(()) => return Ok(()),
            Err(shortage) => shortage,
        };
        let left = files.left();
        Err(match left.saturating_sub(besides) {
            0 if left < 4 => shortage,
            // A quarter for each kind, and the rest for connections.
            0 => format!(
                "{shortage}, or set limits.max_handshakes to {} and limits.max_connections to {} \
                 or less",
                left / 4,
                left - left / 4 * 2
            ),
            most => format!("{shortage}, or set limits.max_connections to {most} or less"),
        })
    }
}

/// Raises the soft limit to the hard limit.
pub(crate) fn raise_open_files() -> io::Result<OpenFiles> {
    let (soft, hard) = Resource::NOFILE.get()?;
    if soft < hard {
        Resource::NOFILE.set(hard, hard)?;
    }
    Ok(OpenFiles { limit: hard })
}

/// Returns whether the process was started to go on when its terminal is closed, as by `nohup`.
pub(crate) fn ignores_hangup() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| is_hangup_ignored(&status))
}

fn is_hangup_ignored(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Signal 1 is the lowest bit.
    mask.is_some_and(|mask| mask & 1 != 0)
}

impl OpenFiles {
    /// Returns the most sockets that fit.
    pub(crate) fn left(self) -> u64 {
        self.limit.saturating_sub(RESERVE)
    }

    /// Checks that this number of sockets and a reserve fit; `what` says which they are.
    ///
    /// # Errors
    /// Returns how to raise the limit.
    pub(crate) fn suffice_for(self, sockets: u64, what: &str) -> Result<(), String> {
        let needed = sockets.saturating_add(RESERVE);
        if needed <= self.limit {
            return Ok(());
        }
        Err(format!(
            "the system allows {} open files, but {what} and a reserve of {RESERVE} need {needed}: \
             raise the hard limit (`ulimit -Hn {needed}`, LimitNOFILE= in a systemd unit, --ulimit \
             nofile={needed} for a container)",
            self.limit
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let files = raise_open_files().unwrap();
        assert_eq!(Resource::NOFILE.get().unwrap(), (files.limit, files.limit));
    }

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = |mask| format!("SigBlk:\t0000000000000001\nSigIgn:\t{mask}\nSigCgt:\t1\n");
        assert!(is_hangup_ignored(&status("0000000000001001")));
        assert!(!is_hangup_ignored(&status("0000000000001000")));
        assert!(!is_hangup_ignored("Name:\tswitchboard\n"));
    }

    fn shortage(limit: u64, connections: u64, handshakes: u64) -> Option<String> {
        Sockets { connections, handshakes }.check(OpenFiles { limit }).err()
    }

    #[test]
    fn a_shortage_names_the_numbers_and_the_way_out() {
        assert_eq!(shortage(1_024, 760, 100), None);
        let text = shortage(1_024, 761, 100).unwrap();
        assert!(text.contains("allows 1024 open files, but 761 connections"), "{text}");
        assert!(text.contains("need 1025: raise"), "{text}");
        assert!(text.ends_with(", or set limits.max_connections to 760 or less"), "{text}");
        assert_eq!(shortage(u64::MAX, u64::MAX, u64::MAX), None);
    }

    #[test]
    fn what_it_advises_fits() {
        // Nothing is left for connections beside these handshakes.
        let text = shortage(1_024, 500, 1_024).unwrap();
        let advice =
            ", or set limits.max_handshakes to 240 and limits.max_connections to 480 or less";
        assert!(text.ends_with(advice), "{text}");
        assert_eq!(shortage(1_024, 480, 240), None);
        let text = shortage(68, 500, 1_024).unwrap();
        assert!(
            text.ends_with("max_handshakes to 1 and limits.max_connections to 2 or less"),
            "{text}"
        );
        assert_eq!(shortage(68, 2, 1), None);
        let text = shortage(67, 500, 1_024).unwrap();
        assert!(text.ends_with("for a container)"), "no number fits: {text}");
    }
}
