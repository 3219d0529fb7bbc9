//! The operating system's limit on open files. Each connection is one.

use std::fmt;
use std::io;

use rlimit::Resource;

/// Files that are not connections: listeners, logs, the poller, handshakes being refused.
const RESERVE: u64 = 64;

/// The number of files that the process may have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenFiles {
    pub(crate) limit: u64,
}

/// The configuration allows more connections than the system allows files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooFewFiles {
    limit: u64,
    connections: u64,
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
    /// Returns the most connections that fit.
    pub(crate) fn most(self) -> u64 {
        self.limit.saturating_sub(RESERVE)
    }

    /// Checks that `max_connections` and a reserve fit.
    pub(crate) fn suffice_for(self, max_connections: usize) -> Result<(), TooFewFiles> {
        let connections = u64::try_from(max_connections).unwrap_or(u64::MAX);
        if connections.saturating_add(RESERVE) <= self.limit {
            Ok(())
        } else {
            Err(TooFewFiles { limit: self.limit, connections })
        }
    }
}

impl fmt::Display for TooFewFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, connections } = self;
        let needed = connections.saturating_add(RESERVE);
        write!(
            f,
            "the system allows {limit} open files, but {connections} connections and a reserve of \
             {RESERVE} need {needed}: raise the hard limit (`ulimit -Hn {needed}`, LimitNOFILE= in \
             a systemd unit, --ulimit nofile={needed} for a container)"
        )
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

    #[test]
    fn a_shortage_names_the_numbers_and_the_way_out() {
        let files = OpenFiles { limit: 1024 };
        assert_eq!(files.suffice_for(960), Ok(()));
        let text = files.suffice_for(961).unwrap_err().to_string();
        assert!(text.contains("allows 1024 open files, but 961 connections"), "{text}");
        assert!(text.contains("need 1025"), "{text}");
        assert_eq!(files.most(), 960);
    }
}
