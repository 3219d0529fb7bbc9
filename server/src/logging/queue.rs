//! The queue between whatever logs and the thread that writes.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{mem, thread};

/// Bytes that may wait to be written, in addition to those that are being written.
const MAX_BYTES: usize = 1024 * 1024;

/// How often lost lines are reported, at most.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// How long the end of the program waits for the last lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long to wait for a non-blocking file that is full.
const RETRY: Duration = Duration::from_millis(10);

/// Log lines on their way to a file. Adding one never blocks and never fails: if too many wait, it
/// is lost, and counted.
#[derive(Clone, Debug)]
pub(crate) struct Queue(Arc<Shared>);

/// Writes the lines that still wait when it is dropped, unless that takes too long.
#[must_use]
#[derive(Debug)]
pub(crate) struct Flush(Queue);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Rung when something waits, when the queue is closed, and when all is written.
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Lines that were lost and have not been reported.
    lost: u64,
    reported: Option<Instant>,
    is_closing: bool,
    is_over: bool,
}

/// What the thread has to do next.
enum Job {
    Write,
    /// Say that this many lines were lost.
    Report(u64),
    End,
}

impl Queue {
    /// Starts the thread that writes. It calls `report` with the number of lines that were lost,
    /// at most once a minute.
    ///
    /// # Errors
    /// If the system has no thread.
    pub(crate) fn start(
        file: impl Write + Send + 'static,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<(Self, Flush)> {
        let queue = Self(Arc::default());
        let writer = queue.clone();
        thread::Builder::new().name("log".into()).spawn(move || writer.run(file, report))?;
        Ok((queue.clone(), Flush(queue)))
    }

    /// Adds a line.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        // A line that is too long for an empty queue is lost as well.
        if waiting.is_over || waiting.bytes.len() + line.len() > MAX_BYTES {
            waiting.lost += 1;
            return;
        }
        let was_empty = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        drop(waiting);
        if was_empty {
            self.0.bell.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut file: impl Write, report: impl Fn(u64)) {
        let mut batch = Vec::new();
        loop {
            match self.next(&mut batch) {
                Job::Write => {
                    let lost = write(&mut file, &batch);
                    batch.clear();
                    self.lock().lost += lost;
                }
                Job::Report(lost) => report(lost),
                Job::End => break,
            }
        }
        self.lock().is_over = true;
        self.0.bell.notify_all();
    }

    /// Waits for something to do. `batch` must be empty, and takes what waits.
    fn next(&self, batch: &mut Vec<u8>) -> Job {
        let mut waiting = self.lock();
        loop {
            if let Some(lost) = waiting.take_report(Instant::now()) {
                return Job::Report(lost);
            }
            if !waiting.bytes.is_empty() {
                mem::swap(&mut waiting.bytes, batch);
                return Job::Write;
            }
            if waiting.is_closing {
                return Job::End;
            }
            let bell = &self.0.bell;
            waiting = match waiting.report_in(Instant::now()) {
                Some(wait) => {
                    bell.wait_timeout(waiting, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => bell.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Waiting {
    /// Takes the number of lines to report, if it is time. While the queue is full there is no
    /// room for the report.
    fn take_report(&mut self, now: Instant) -> Option<u64> {
        let is_due = self.report_in(now).is_some_and(|wait| wait.is_zero());
        if !is_due || self.bytes.len() > MAX_BYTES / 2 {
            return None;
        }
        self.reported = Some(now);
        Some(mem::take(&mut self.lost))
    }

    /// Returns how long it is until lost lines are to be reported, if there are any.
    fn report_in(&self, now: Instant) -> Option<Duration> {
        let due = |last| REPORT_INTERVAL.saturating_sub(now.saturating_duration_since(last));
        (self.lost > 0).then(|| self.reported.map_or(Duration::ZERO, due))
    }
}

/// Writes whole lines, and returns how many of them were lost, the one that broke off included.
fn write(file: &mut impl Write, mut bytes: &[u8]) -> u64 {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(taken @ 1..) => bytes = bytes.get(taken..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
            Ok(0) | Err(_) => break,
        }
    }
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

impl Drop for Flush {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.is_closing = true;
        self.0.0.bell.notify_all();
        // If the time is over, the thread is left behind: it hangs in a write.
        let _ = self.0.0.bell.wait_timeout_while(waiting, PATIENCE, |waiting| !waiting.is_over);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A file that waits for its reader to take each write.
    struct Pipe(Sender<Vec<u8>>, Receiver<()>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.1.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A file that answers each write with the next of these.
    struct Script(VecDeque<io::Result<usize>>);

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.pop_front().unwrap_or(Ok(bytes.len()))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_does_not_fit_is_lost_and_reported() {
        let (wrote, written) = channel();
        let (take, taken) = channel();
        let (said, says) = channel();
        let report = move |lost| said.send(lost).unwrap();
        let (queue, flush) = Queue::start(Pipe(wrote, taken), report).unwrap();
        queue.push(b"first\n");
        assert_eq!(written.recv().unwrap(), b"first\n");
        // Nobody reads: now the queue fills.
        queue.push(&[b'x'; MAX_BYTES - 1]);
        queue.push(b"\n\n");
        queue.push(b"\n");
        queue.push(b"\n");
        take.send(()).unwrap();
        let second = written.recv().unwrap();
        assert_eq!((second.len(), second.last()), (MAX_BYTES, Some(&b'\n')));
        take.send(()).unwrap();
        assert_eq!(says.recv().unwrap(), 2);
        queue.push(b"last\n");
        take.send(()).unwrap();
        drop(flush);
        assert_eq!(written.recv().unwrap(), b"last\n");
        assert_eq!(queue.lock().lost, 0);
    }

    #[test]
    fn a_reader_that_never_reads_does_not_keep_the_end() {
        let (wrote, written) = channel();
        let (_take, taken) = channel();
        let (queue, flush) = Queue::start(Pipe(wrote, taken), |_| ()).unwrap();
        queue.push(b"first\n");
        written.recv().unwrap();
        drop(flush);
        assert!(!queue.lock().is_over, "it still waits for its reader");
    }

    #[test]
    fn losses_are_reported_at_once_and_then_once_a_minute() {
        let (mut waiting, start) = (Waiting::default(), Instant::now());
        let later = |wait: Duration| start + wait;
        assert_eq!(waiting.report_in(start), None);
        waiting.lost = 3;
        waiting.bytes = vec![0; MAX_BYTES / 2 + 1];
        assert_eq!(waiting.take_report(start), None, "there is no room");
        waiting.bytes.pop();
        assert_eq!(waiting.take_report(start), Some(3));
        assert_eq!(waiting.take_report(later(REPORT_INTERVAL)), None, "nothing was lost");
        waiting.lost = 1;
        let early = later(REPORT_INTERVAL - Duration::from_nanos(1));
        assert_eq!(waiting.take_report(early), None);
        assert_eq!(waiting.report_in(early), Some(Duration::from_nanos(1)));
        assert_eq!(waiting.take_report(later(REPORT_INTERVAL)), Some(1));
    }

    #[test]
    fn a_failed_write_loses_the_rest_of_its_lines() {
        let full = || Err(io::ErrorKind::StorageFull.into());
        for (answers, lost) in [
            (vec![], 0),
            (vec![full()], 3),
            (vec![Ok(2), full()], 2),
            (vec![Ok(3), full()], 2),
            (vec![Ok(0)], 3),
            (vec![Err(io::ErrorKind::Interrupted.into())], 0),
            (vec![Err(io::ErrorKind::WouldBlock.into()), Ok(4), full()], 1),
        ] {
            let text = format!("{answers:?}");
            assert_eq!(write(&mut Script(answers.into()), b"a\nb\nc\n"), lost, "{text}");
        }
    }
}
