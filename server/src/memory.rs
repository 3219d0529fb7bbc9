//! What a burst has used goes back to the system when it is over. glibc gives back what is free at the end of its heaps by
//! itself; what is free between things that are still in use it keeps, which can be hundreds of megabytes.

use std::time::Duration;

use switchboard_smol::Handle;

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(5);

/// Bytes in one look from which on it is worth the trouble.
const BURST: u64 = 4 * 1024 * 1024;

/// It is over when there is no more than so small a part of it.
const CALM: u64 = 8;

/// Looks for the end of bursts, for ever.
pub(crate) async fn give_back(handle: &Handle) {
    let mut burst = Burst::default();
    let mut before = traffic(handle);
    loop {
        smol::Timer::after(LOOK).await;
        let now = traffic(handle);
        if burst.is_over(now - before) {
            trim();
        }
        before = now;
    }
}

/// Takes a millisecond or so for every hundred megabytes, in which other threads may have to wait for memory.
fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "glibc's function, and there is no other way to it")]
        // SAFETY: it may be called at any time, and changes nothing that is in use.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

fn traffic(handle: &Handle) -> u64 {
    let stats = handle.stats();
    stats.bytes_in + stats.bytes_out
}

/// The most that there has been in one look, or less after memory was given back: what a large burst leaves is looked at
/// again, because its end may have been the middle of a look.
#[derive(Default)]
struct Burst(u64);

impl Burst {
    fn is_over(&mut self, bytes: u64) -> bool {
        self.0 = self.0.max(bytes);
        let is_over = self.0 >= BURST && bytes <= self.0 / CALM;
        if is_over {
            self.0 /= CALM;
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_over_once() {
        let mut burst = Burst::default();
        let looks = [BURST, BURST, BURST / CALM, BURST / CALM, 0, 0];
        assert_eq!(
            looks.map(|bytes| burst.is_over(bytes)),
            [false, false, true, false, false, false]
        );
    }

    #[test]
    fn a_large_burst_is_looked_at_again() {
        let mut burst = Burst::default();
        let looks = [CALM * CALM * BURST, CALM * BURST, BURST, 0, 0];
        assert_eq!(looks.map(|bytes| burst.is_over(bytes)), [false, true, true, true, false]);
    }

    #[test]
    fn a_little_traffic_is_no_burst() {
        let mut burst = Burst::default();
        assert!([BURST - 1, 0, BURST - 1, 0].iter().all(|bytes| !burst.is_over(*bytes)));
    }

    #[test]
    fn what_goes_on_is_not_over() {
        let mut burst = Burst::default();
        let looks = [8 * BURST, BURST + 1, 8 * BURST, 2 * BURST];
        assert!(looks.iter().all(|bytes| !burst.is_over(*bytes)));
    }
}
