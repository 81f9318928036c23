//! One line of the log, written by hand: as JSON, or as text for people.

use std::fmt::Write as _;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::Deserialize;
use tracing::Level;
use tracing::field::{Field, Visit};

/// A line that was longer than this does not keep its memory.
const LINE_BYTES_KEPT: usize = 4096;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// An object a line.
    Json,
    /// Time, level and message, then what goes with it as `name=value`.
    Text,
}

/// Writes the lines of one thread.
pub(super) struct Pen {
    format: Format,
    line: String,
    /// The second in which the last line was written, and how it is spelt.
    second: i64,
    date_time: String,
}

impl Pen {
    pub(super) const fn new() -> Self {
        Self {
            format: Format::Json,
            line: String::new(),
            second: i64::MIN,
            date_time: String::new(),
        }
    }

    /// Begins a line. Only what is new since the last second is spelt anew.
    pub(super) fn begin(&mut self, format: Format, now: Timestamp, level: Level, target: &str) {
        self.format = format;
        let Self { line, second, date_time, .. } = self;
        if *second != now.as_second() {
            *second = now.as_second();
            *date_time = now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        }
        let (micros, level) = (now.subsec_microsecond(), level.as_str());
        line.clear();
        // Writing to a `String` cannot fail, here and below.
        let _ = match format {
            Format::Json => write!(
                line,
                "{{\"timestamp\":\"{date_time}.{micros:06}Z\",\"level\":\"{level}\",\"target\":\"{target}\""
            ),
            Format::Text => write!(line, "{date_time}.{micros:06}Z {level:>5} {target}"),
        };
    }

    /// Ends the line, and gives it.
    pub(super) fn end(&mut self) -> &str {
        self.line.push_str(match self.format {
            Format::Json => "}\n",
            Format::Text => "\n",
        });
        &self.line
    }

    /// Lets go of what an unusually long line took.
    pub(super) fn rest(&mut self) {
        self.line.clear();
        self.line.shrink_to(LINE_BYTES_KEPT);
    }

    fn name(&mut self, name: &str) {
        let line = &mut self.line;
        match self.format {
            Format::Json => {
                line.push_str(",\"");
                line.push_str(name);
                line.push_str("\":");
            }
            Format::Text if name == "message" => line.push(' '),
            Format::Text => {
                line.push(' ');
                line.push_str(name);
                line.push('=');
            }
        }
    }

    /// A member that is text.
    pub(super) fn member(&mut self, name: &str, value: &str) {
        self.name(name);
        let bare = self.format == Format::Text && (name == "message" || is_word(value));
        if !bare {
            self.line.push('"');
        }
        let _ = Escaped(&mut self.line).write_str(value);
        if !bare {
            self.line.push('"');
        }
    }

    /// A member that is a number.
    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        let _ = write!(self.line, "{value}");
    }
}

/// Whether a value ends where it seems to, though nothing is around it.
fn is_word(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=');
    !value.is_empty() && value.bytes().all(plain)
}

/// Escapes what is written into a JSON string, and what would move, hide or colour the rest of a line where
/// somebody looks at it.
struct Escaped<'l>(&'l mut String);

impl std::fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let Self(line) = self;
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if text.bytes().all(plain) {
            line.push_str(text);
            return Ok(());
        }
        for character in text.chars() {
            match character {
                '"' => line.push_str("\\\""),
                '\\' => line.push_str("\\\\"),
                unseen if is_unseen(unseen) => {
                    for unit in unseen.encode_utf16(&mut [0; 2]) {
                        write!(line, "\\u{unit:04x}")?;
                    }
                }
                other => line.push(other),
            }
        }
        Ok(())
    }
}

/// Control characters, those of 8 bits included, and characters that turn the direction of text, break
/// lines, or cannot be seen.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

impl Visit for Pen {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.name(field.name());
        let _ = write!(self.line, "{value}");
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.name(field.name());
        let _ = write!(self.line, "{value}");
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match self.format {
            Format::Json => {
                self.name(field.name());
                self.line.push('"');
                let _ = write!(Escaped(&mut self.line), "{value:?}");
                self.line.push('"');
            }
            // Whether it needs quotes is known when it has been written.
            Format::Text => self.member(field.name(), &format!("{value:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-11-25T00:40:41Z";

    #[test]
    fn a_line_begins_with_its_time() {
        let mut pen = Pen::new();
        let mut check = |time: &str, expected: &str| {
            pen.begin(Format::Json, time.parse().unwrap(), Level::INFO, "valet");
            let begun = format!(
                "{{\"timestamp\":\"{expected}\",\"level\":\"INFO\",\"target\":\"valet\"}}\n"
            );
            assert_eq!(pen.end(), begun);
        };
        check("2026-11-25T00:40:41.000017Z", "2026-11-25T00:40:41.000017Z");
        check("2026-11-25T00:40:41.9999999Z", "2026-11-25T00:40:41.999999Z");
        check("2026-11-25T00:40:42Z", "2026-11-25T00:40:42.000000Z");
    }

    #[test]
    fn text_is_escaped_in_both_formats() {
        let check = |text: &str, json: &str, plain: &str| {
            for (format, expected) in [(Format::Json, json), (Format::Text, plain)] {
                let mut pen = Pen::new();
                pen.begin(format, TIME.parse().unwrap(), Level::INFO, "valet");
                let begun = pen.line.len();
                pen.member("key", text);
                assert_eq!(pen.line.get(begun..), Some(expected), "{text:?}");
            }
        };
        check("plain", ",\"key\":\"plain\"", " key=plain");
        check("two words", ",\"key\":\"two words\"", " key=\"two words\"");
        check("", ",\"key\":\"\"", " key=\"\"");
        check("a=b", ",\"key\":\"a=b\"", " key=\"a=b\"");
        let both = |text: &str, escaped: &str| {
            check(text, &format!(",\"key\":\"{escaped}\""), &format!(" key=\"{escaped}\""));
        };
        both("a\"b\\c\n", "a\\\"b\\\\c\\u000a");
        both("é\u{1}", "é\\u0001");
        // What some terminals take for ESC [, DEL, a line of its own, the other direction, a tag.
        both("\u{9b}31m", "\\u009b31m");
        both("\u{7f}", "\\u007f");
        both("\u{85}\u{2028}", "\\u0085\\u2028");
        both("\u{202e}gpj", "\\u202egpj");
        both("\u{e0041}", "\\udb40\\udc41");
    }

    #[test]
    fn text_has_its_message_first_and_unquoted() {
        let mut pen = Pen::new();
        pen.begin(Format::Text, TIME.parse().unwrap(), Level::WARN, "valet::log");
        pen.member("message", "it is so\n");
        pen.number("lines", 3);
        let line = "2026-11-25T00:40:41.000000Z  WARN valet::log it is so\\u000a lines=3\n";
        assert_eq!(pen.end(), line);
    }
}
