//! Returns memory to the system after a burst. glibc returns free memory at the end of its heaps by
//! itself, but keeps what is free between allocations still in use, which can be hundreds of
//! megabytes.

use std::time::Duration;

use switchboard_smol::Handle;

/// Time between two samples of the traffic.
const LOOK: Duration = Duration::from_secs(5);

/// Traffic of one sample, in bytes, that counts as a burst.
const BURST: u64 = 4 * 1024 * 1024;

/// A burst is over when a sample is at most its peak divided by this.
const CALM: u64 = 8;

/// Waits for the end of each burst, forever.
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

/// Takes about a millisecond per hundred megabytes, during which other threads may wait to
/// allocate.
fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "a glibc function without a safe wrapper")]
        // SAFETY: it may be called at any time, and leaves memory in use alone.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

fn traffic(handle: &Handle) -> u64 {
    let stats = handle.stats();
    stats.bytes_in + stats.bytes_out
}

/// The peak of all samples. Shrinks after memory was returned: what a large burst leaves is checked
/// again, because the sample at its end may have fallen into the middle.
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
