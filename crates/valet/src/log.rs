//! The log: one JSON object a line, written by hand and in batches, since a line goes with every request.
//! Lines of a thread keep their order; those of two threads may change places within a batch.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Layer};

use crate::clock;

/// A line is on its way to the system so long after it was written, at the latest.
const FLUSH_PERIOD: Duration = Duration::from_millis(20);
/// More threads than these share what they write to.
const SHARDS: usize = 16;
/// With so much waiting, whoever writes more writes it all out.
const WAITING_BYTES_MAX: usize = 256 * 1024;
/// A line that was longer than this does not keep its memory.
const LINE_BYTES_KEPT: usize = 4096;

/// Keeps the log going; what waits is written out when it is dropped.
pub(crate) struct Log {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    shards: [Shard; SHARDS],
    task: Mutex<Task>,
    something: Condvar,
}

/// Lines that some threads have written, on cache lines of their own: threads that answer requests do
/// not wait for each other here.
#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<Vec<u8>>);

/// What the writer has to do.
#[derive(Default)]
struct Task {
    something: bool,
    over: bool,
}

/// Starts to log to standard error what the filter lets through; `info` when it cannot be read.
pub(crate) fn start(filter: &str) -> Log {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let shared = Arc::new(Shared::default());
    let thread = Arc::clone(&shared);
    let writer = std::thread::Builder::new().name("log".to_owned());
    let writer = writer.spawn(move || thread.write_until_over()).ok();
    let lines = JsonLines { shared: Arc::clone(&shared) };
    // A second start, as in tests, leaves the first log in place.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    Log { shared, writer }
}

impl Drop for Log {
    fn drop(&mut self) {
        lock(&self.shared.task).over = true;
        self.shared.something.notify_one();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
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
        let first = lines.is_empty();
        lines.extend_from_slice(line.as_bytes());
        if urgent || lines.len() > WAITING_BYTES_MAX {
            write_out(&mut lines);
        } else if first {
            drop(lines);
            lock(&self.task).something = true;
            self.something.notify_one();
        }
    }

    fn write_until_over(&self) {
        // Goes to whoever's lines are taken, and keeps its memory.
        let mut spare = Vec::new();
        loop {
            let mut task = lock(&self.task);
            while !task.something && !task.over {
                task = self.something.wait(task).unwrap_or_else(PoisonError::into_inner);
            }
            task.something = false;
            let over = task.over;
            drop(task);
            if !over {
                std::thread::sleep(FLUSH_PERIOD);
            }
            for Shard(lines) in &self.shards {
                // Written without the lock, so that nobody waits for the system.
                std::mem::swap(&mut *lock(lines), &mut spare);
                write_out(&mut spare);
            }
            if over {
                return;
            }
        }
    }
}

fn write_out(lines: &mut Vec<u8>) {
    if lines.is_empty() {
        return;
    }
    // Where the log cannot be written there is nobody to be told.
    let _ = std::io::stderr().lock().write_all(lines);
    lines.clear();
}

/// Turns events into lines.
struct JsonLines {
    shared: Arc<Shared>,
}

thread_local! {
    static PEN: RefCell<Pen> = const { RefCell::new(Pen::new()) };
}

/// What a thread writes its lines with.
struct Pen {
    line: String,
    /// The second in which the last line was written, and how it is spelt.
    second: i64,
    date_time: String,
}

impl Pen {
    const fn new() -> Self {
        Self { line: String::new(), second: i64::MIN, date_time: String::new() }
    }

    /// Begins a line. Only what is new since the last second is spelt anew.
    fn begin(&mut self, now: Timestamp, level: &str) {
        let Self { line, second, date_time } = self;
        if *second != now.as_second() {
            *second = now.as_second();
            *date_time = now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        }
        let micros = now.subsec_microsecond();
        line.clear();
        // Writing to a `String` cannot fail, here and below.
        let _ = write!(line, "{{\"timestamp\":\"{date_time}.{micros:06}Z\",\"level\":\"{level}\"");
    }
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        PEN.with_borrow_mut(|pen| {
            let metadata = event.metadata();
            pen.begin(clock::now(), metadata.level().as_str());
            let Pen { line, .. } = pen;
            event.record(&mut Fields { line });
            let _ = writeln!(line, ",\"target\":\"{}\"}}", metadata.target());
            self.shared.append(line, *metadata.level() <= Level::WARN);
            line.shrink_to(LINE_BYTES_KEPT);
        });
    }
}

/// Writes each field as a member.
struct Fields<'l> {
    line: &'l mut String,
}

impl Fields<'_> {
    fn name(&mut self, field: &Field) {
        self.line.push_str(",\"");
        self.line.push_str(field.name());
        self.line.push_str("\":");
    }

    fn text(&mut self, text: &str) {
        self.line.push('"');
        let _ = Escaped(self.line).write_str(text);
        self.line.push('"');
    }
}

/// Escapes what is written into a JSON string.
struct Escaped<'l>(&'l mut String);

impl std::fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let Self(line) = self;
        if !text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
            line.push_str(text);
            return Ok(());
        }
        for character in text.chars() {
            match character {
                '"' => line.push_str("\\\""),
                '\\' => line.push_str("\\\\"),
                control if control < ' ' => write!(line, "\\u{:04x}", u32::from(control))?,
                other => line.push(other),
            }
        }
        Ok(())
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        self.text(value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        let _ = write!(self.line, "{value}");
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.name(field);
        let _ = write!(self.line, "{value}");
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.name(field);
        let _ = write!(self.line, "{value}");
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.name(field);
        self.line.push('"');
        let _ = write!(Escaped(self.line), "{value:?}");
        self.line.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_its_time() {
        let mut pen = Pen::new();
        let mut check = |time: &str, expected: &str| {
            pen.begin(time.parse().unwrap(), "INFO");
            assert_eq!(pen.line, format!("{{\"timestamp\":\"{expected}\",\"level\":\"INFO\""));
        };
        check("2026-11-25T00:40:41.000017Z", "2026-11-25T00:40:41.000017Z");
        check("2026-11-25T00:40:41.9999999Z", "2026-11-25T00:40:41.999999Z");
        check("2026-11-25T00:40:42Z", "2026-11-25T00:40:42.000000Z");
    }

    #[test]
    fn text_is_escaped() {
        let check = |text: &str, expected: &str| {
            let mut line = String::new();
            Fields { line: &mut line }.text(text);
            assert_eq!(line, expected);
        };
        check("plain", "\"plain\"");
        check("a\"b\\c\n", "\"a\\\"b\\\\c\\u000a\"");
        check("é\u{1}", "\"é\\u0001\"");
    }
}
