//! The log: lines on standard error, written in batches by a thread of its own, because every request writes a
//! line.
//!
//! No caller ever waits for standard error: if nobody takes the lines and the buffer is full, new lines are
//! dropped and counted. Lines of one thread stay in order; lines of two threads may change places within a
//! batch.

mod line;

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use server::DroppedLines;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Layer};

use crate::clock;
pub(crate) use line::Format;
use line::Pen;

/// The longest time from a line to its write.
const FLUSH_PERIOD: Duration = Duration::from_millis(20);
/// The number of buffers. If there are more threads, some share one.
const SHARDS: usize = 16;
/// The bytes that may wait in one buffer; further lines are dropped.
const WAITING_BYTES_MAX: usize = 256 * 1024;
/// How long the process waits at its end for the last lines to be written.
const LAST_LINES_TIME_MAX: Duration = Duration::from_secs(1);

/// Keeps the log running. When it is dropped, waiting lines are written, if somebody takes them.
pub(crate) struct Log {
    shared: Arc<Shared>,
    format: Format,
}

#[derive(Default)]
struct Shared {
    shards: [Shard; SHARDS],
    task: Mutex<Task>,
    changed: Condvar,
    /// Dropped lines that the log has not reported yet.
    untold: AtomicU64,
    dropped: DroppedLines,
}

/// The lines of some threads, on cache lines of its own, so that threads which answer requests do not wait for
/// each other here.
#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<Vec<u8>>);

/// What the writer thread is to do, and whether it is busy.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "any of them may be set whatever the others are")]
struct Task {
    something: bool,
    /// Write without waiting for a batch to gather.
    at_once: bool,
    over: bool,
    is_writing: bool,
}

/// Starts the log on standard error with this filter; `info` if the filter cannot be read.
pub(crate) fn start(filter: &str, format: Format, dropped: &DroppedLines) -> Log {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let shared = Arc::new(Shared { dropped: dropped.clone(), ..Shared::default() });
    // The log has a file descriptor of its own. A thread that is stuck writing to it holds no lock that others
    // need.
    if let Ok(output) = io::stderr().as_fd().try_clone_to_owned() {
        spawn_writer(&shared, format, File::from(output));
    }
    let lines = Lines { shared: Arc::clone(&shared), format };
    // In tests there may be a second start; the first log stays.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a bug: something panicked")));
    Log { shared, format }
}

fn spawn_writer(shared: &Arc<Shared>, format: Format, output: impl Write + Send + 'static) {
    let thread = Arc::clone(shared);
    lock(&shared.task).is_writing = true;
    let writer = std::thread::Builder::new().name("log".to_owned());
    let spawned = writer.spawn(move || thread.write_until_over(format, output));
    lock(&shared.task).is_writing &= spawned.is_ok();
}

impl Log {
    /// Writes a line that no filter holds back.
    pub(crate) fn say(&self, level: Level, message: &str, members: &[(&str, &str)]) {
        let mut pen = Pen::new();
        pen.begin(self.format, clock::now(), level, "valet");
        pen.member("message", message);
        for (name, value) in members {
            pen.member(name, value);
        }
        self.shared.append(pen.end(), true);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let mut task = lock(&self.shared.task);
        task.over = true;
        self.shared.changed.notify_all();
        // The writer may be stuck because nobody takes its lines. Then it ends with the process.
        let writing = |task: &mut Task| task.is_writing;
        drop(self.shared.changed.wait_timeout_while(task, LAST_LINES_TIME_MAX, writing));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn append(&self, line: &str, urgent: bool) {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
        }
        let Some(Shard(lines)) = self.shards.get(SHARD.with(|shard| *shard)) else { return };
        let mut lines = lock(lines);
        if lines.len().saturating_add(line.len()) > WAITING_BYTES_MAX {
            drop(lines);
            return self.drop_lines(1);
        }
        let first = lines.is_empty();
        lines.extend_from_slice(line.as_bytes());
        let many = lines.len() > WAITING_BYTES_MAX / 2;
        drop(lines);
        if first || urgent || many {
            let mut task = lock(&self.task);
            let known = task.something && (task.at_once || !(urgent || many));
            task.something = true;
            task.at_once |= urgent || many;
            drop(task);
            if !known {
                self.changed.notify_all();
            }
        }
    }

    fn drop_lines(&self, lines: u64) {
        self.untold.fetch_add(lines, Ordering::Relaxed);
        self.dropped.add(lines);
    }

    fn write_until_over(&self, format: Format, output: impl Write) {
        let mut output = Output { output, is_torn: false };
        // This buffer changes places with a shard's, and keeps its memory.
        let mut spare = Vec::new();
        while !self.wait_for_lines() {
            self.write_all_out(format, &mut output, &mut spare);
        }
        self.write_all_out(format, &mut output, &mut spare);
        lock(&self.task).is_writing = false;
        self.changed.notify_all();
    }

    /// Waits until a batch has gathered; returns whether it is the last.
    fn wait_for_lines(&self) -> bool {
        let task = lock(&self.task);
        let idle = |task: &mut Task| !task.something && !task.over;
        let task = self.changed.wait_while(task, idle).unwrap_or_else(PoisonError::into_inner);
        let gathering = |task: &mut Task| !task.at_once && !task.over;
        let waited = self.changed.wait_timeout_while(task, FLUSH_PERIOD, gathering);
        let (mut task, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (task.something, task.at_once) = (false, false);
        task.over
    }

    fn write_all_out(&self, format: Format, output: &mut Output<impl Write>, spare: &mut Vec<u8>) {
        for Shard(lines) in &self.shards {
            // Written without holding the lock, so that no caller waits for the system.
            std::mem::swap(&mut *lock(lines), spare);
            if !spare.is_empty() {
                self.drop_lines(output.write_lines(spare));
                spare.clear();
            }
        }
        // The lines were taken, so the count of dropped ones can be reported.
        let untold = self.untold.swap(0, Ordering::Relaxed);
        if untold > 0 {
            let mut pen = Pen::new();
            pen.begin(format, clock::now(), Level::WARN, "valet::log");
            pen.member("message", "lines were dropped, because nobody took them");
            pen.number("lines", untold);
            if output.write_lines(pen.end().as_bytes()) > 0 {
                self.untold.fetch_add(untold, Ordering::Relaxed);
            }
        }
    }
}

/// The destination of the lines. If writing fails, nobody can be told.
struct Output<W> {
    output: W,
    /// Whether the last write ended within a line.
    is_torn: bool,
}

impl<W: Write> Output<W> {
    /// Writes whole lines, and returns how many were lost. Waits as long as writing takes.
    fn write_lines(&mut self, lines: &[u8]) -> u64 {
        let mut rest = lines;
        if self.is_torn {
            // If the line break cannot be written, the lines cannot either.
            self.is_torn = self.write(b"\n") == 0;
        }
        while !rest.is_empty() {
            match self.write(rest) {
                0 => break,
                written => rest = rest.get(written..).unwrap_or_default(),
            }
        }
        let written = lines.len().saturating_sub(rest.len());
        let last = written.checked_sub(1).and_then(|last| lines.get(last));
        self.is_torn |= last.is_some_and(|&last| last != b'\n');
        let lost = rest.split(|&byte| byte == b'\n').count().saturating_sub(1);
        u64::try_from(lost).unwrap_or(u64::MAX)
    }

    /// The number of bytes that were taken; 0 if writing failed.
    fn write(&mut self, bytes: &[u8]) -> usize {
        loop {
            match self.output.write(bytes) {
                Ok(written) => return written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Another process has made the descriptor non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(FLUSH_PERIOD);
                }
                Err(_) => return 0,
            }
        }
    }
}

/// Turns events of `tracing` into lines.
struct Lines {
    shared: Arc<Shared>,
    format: Format,
}

thread_local! {
    static PEN: RefCell<Pen> = const { RefCell::new(Pen::new()) };
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        PEN.with_borrow_mut(|pen| {
            let metadata = event.metadata();
            pen.begin(self.format, clock::now(), *metadata.level(), metadata.target());
            event.record(pen);
            self.shared.append(pen.end(), *metadata.level() <= Level::WARN);
            pen.rest();
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes what it is given when somebody lets it, and never before.
    struct Stalled {
        let_go: mpsc::Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Once nobody holds it back any more, everything flows.
            let _ = self.let_go.recv();
            lock(&self.taken).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_not_taken_is_dropped_counted_and_told_of() {
        let dropped = DroppedLines::default();
        let shared = Arc::new(Shared { dropped: dropped.clone(), ..Shared::default() });
        let (hold, let_go) = mpsc::channel();
        let taken = Arc::<Mutex<Vec<u8>>>::default();
        let output = Stalled { let_go, taken: Arc::clone(&taken) };
        spawn_writer(&shared, Format::Json, output);
        // More than waits at once and than the writer has taken out of there: nobody waits here.
        let (line, lines) = (format!("{}\n", "x".repeat(999)), 2000_u64);
        for _ in 0..lines {
            shared.append(&line, true);
        }
        let lost = dropped.total();
        assert!(lost > 1000, "{lost}");
        drop(hold);
        drop(Log { shared, format: Format::Json });
        let taken = String::from_utf8(std::mem::take(&mut *lock(&taken))).unwrap();
        let (told, whole): (Vec<_>, Vec<_>) = taken.lines().partition(|line| line.starts_with('{'));
        assert_eq!(u64::try_from(whole.len()).unwrap(), lines - lost);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(&format!(",\"lines\":{lost}}}")), "{told:?}");
        assert_eq!(dropped.total(), lost);
    }

    /// Fails after so many bytes, as often as it has been told to.
    struct Failing(Vec<usize>, Vec<u8>);

    impl Write for &mut Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let most = self.0.pop().unwrap_or(bytes.len());
            if most == 0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let written = most.min(bytes.len());
            self.1.extend_from_slice(&bytes[..written]);
            Ok(written)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_was_torn_does_not_tear_the_next() {
        // Each is what a write takes, the last first.
        for (takes, lost, expected) in [
            (vec![0, 2], 2, "a\ncc\n"),
            (vec![0, 3], 2, "a\nb\ncc\n"),
            (vec![0], 3, "cc\n"),
            (vec![2, 2], 0, "a\nbb\ncc\n"),
        ] {
            let mut failing = Failing(takes, Vec::new());
            let mut output = Output { output: &mut failing, is_torn: false };
            let lines: &[u8] = if lost == 3 { b"a\nb\nb\n" } else { b"a\nbb\n" };
            let was_lost = output.write_lines(lines);
            output.write_lines(b"cc\n");
            let written = String::from_utf8(failing.1).unwrap();
            assert_eq!((written.as_str(), was_lost), (expected, if lost == 2 { 1 } else { lost }));
        }
    }
}
