//! Content-Disposition, written and read: the file name under which a browser saves an object.

use std::fmt::Write as _;

/// The longest file name, in bytes. File systems allow 255, and `.NAME.valet-state` must fit as well.
const NAME_BYTES_MAX: usize = 240;

/// Whether a browser should save the object or show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// A browser saves the object.
    Attachment,
    /// A browser shows the object, if it can.
    Inline,
}

/// Writes the header for a file name as RFC 6266 describes: a plain ASCII `filename` for old clients, and
/// `filename*` (RFC 8187) with the exact name if it has other characters.
pub fn header(disposition: Disposition, filename: Option<&str>) -> String {
    let mut header = match disposition {
        Disposition::Attachment => "attachment".to_owned(),
        Disposition::Inline => "inline".to_owned(),
    };
    let Some(filename) = filename else { return header };
    let plain: String = filename.chars().map(plain_char).collect();
    // Writing to a string cannot fail.
    let _ = write!(header, "; filename=\"{plain}\"");
    if plain != filename {
        let _ =
            write!(header, "; filename*=UTF-8''{}", presign::encode_component(filename.as_bytes()));
    }
    header
}

/// The replacement for a character in the quoted `filename`. Browsers read quotes, backslashes and percent
/// signs differently.
fn plain_char(c: char) -> char {
    if (c.is_ascii_graphic() || c == ' ') && !"\"\\%".contains(c) { c } else { '_' }
}

/// Reads the file name from a header; `filename*` counts before `filename`. `None` if there is no usable name.
pub fn file_name(header: &str) -> Option<String> {
    let mut plain = None;
    for parameter in parameters(header) {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "filename*" => {
                if let Some(name) = extended(value).as_deref().and_then(safe_name) {
                    return Some(name);
                }
            }
            "filename" => plain = Some(unquoted(value)),
            _ => {}
        }
    }
    plain.as_deref().and_then(safe_name)
}

/// Splits at semicolons that are not inside quotes.
fn parameters(header: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    header.split(move |c: char| {
        let separates = c == ';' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
        separates
    })
}

/// `UTF-8''na%C3%AFve.txt`; other character sets are not read.
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    String::from_utf8(presign::decode_component(encoded).into_owned()).ok()
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').map(|v| v.strip_suffix('"').unwrap_or(v)) else {
        return value.to_owned();
    };
    let mut text = String::new();
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        text.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    text
}

/// Makes a name that a stranger chose safe for the working directory. Only the last path segment is kept, by
/// the rules of any system. It must not be hidden, look like an option, or contain characters that make it look
/// like another name. `None` if nothing is left.
pub fn safe_name(name: &str) -> Option<String> {
    let mut segments = name
        .rsplit(['/', '\\'])
        .map(|segment| segment.chars().filter(|c| !is_deceptive(*c)).collect::<String>());
    let shown = segments.find(|segment| !segment.trim().is_empty())?;
    let leads = |c: char| c == '.' || c == '-' || c.is_whitespace();
    let mut safe = shown.trim_start_matches(leads).trim_end().to_owned();
    while safe.len() > NAME_BYTES_MAX {
        safe.pop();
    }
    (!safe.is_empty()).then_some(safe)
}

/// Whether a character can make a name look like another. These are control characters, invisible characters,
/// and those that change how their neighbours are shown: with a mark that turns the direction of the text,
/// `fdp.exe` reads as `exe.pdf`.
pub fn is_deceptive(c: char) -> bool {
    c.is_control() || UNSEEN.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// Invisible characters of Unicode 16: categories Cf, Zl and Zp, and `Default_Ignorable_Code_Point`, assigned
/// or not.
const UNSEEN: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let check = |disposition, filename, expected: &str| {
            assert_eq!(header(disposition, filename), expected);
        };
        check(Disposition::Attachment, Some("a b.pdf"), "attachment; filename=\"a b.pdf\"");
        check(Disposition::Inline, Some("a.pdf"), "inline; filename=\"a.pdf\"");
        check(Disposition::Inline, None, "inline");
        check(
            Disposition::Attachment,
            Some("naïve €.txt"),
            "attachment; filename=\"na_ve _.txt\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.txt",
        );
        check(
            Disposition::Attachment,
            Some("a\"b\\c%d.txt"),
            "attachment; filename=\"a_b_c_d.txt\"; filename*=UTF-8''a%22b%5Cc%25d.txt",
        );
    }

    #[test]
    fn names_out_of_headers() {
        let check = |header: &str, expected: Option<&str>| {
            assert_eq!(file_name(header).as_deref(), expected, "{header}");
        };
        check("attachment", None);
        check("attachment; filename=a.txt", Some("a.txt"));
        check("attachment; filename=\"a b.txt\"", Some("a b.txt"));
        check("attachment; FileName = \"a;b.txt\"; x=y", Some("a;b.txt"));
        check(r#"attachment; filename="a\"b.txt""#, Some("a\"b.txt"));
        check("inline; filename=\"x\"; filename*=UTF-8''na%C3%AFve.txt", Some("naïve.txt"));
        check("inline; filename*=UTF-8''n.txt; filename=\"x\"", Some("n.txt"));
        check("inline; filename=\"x\"; filename*=latin1''n.txt", Some("x"));
        check("inline; filename=\"x\"; filename*=UTF-8''%ff", Some("x"));
        check("attachment; filename=\"../../etc/passwd\"", Some("passwd"));
        check("attachment; filename=\"\"", None);
    }

    #[test]
    fn names_are_made_safe() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(safe_name(name).as_deref(), expected, "{name}");
        };
        check("a.txt", Some("a.txt"));
        check("/etc/passwd", Some("passwd"));
        check("C:\\dir\\a.txt", Some("a.txt"));
        check("dir/", Some("dir"));
        check("dir/\u{200b} ", Some("dir"));
        check(".bashrc", Some("bashrc"));
        check("..", None);
        check("", None);
        check("/", None);
        check("a\u{0}\n\u{1b}[31m.txt", Some("a[31m.txt"));
        check("invoice\u{202e}fdp.exe", Some("invoicefdp.exe"));
        check("-rf", Some("rf"));
        check(" -.- -rf", Some("rf"));
        check("\u{200b}-rf", Some("rf"));
        check("--", None);
        check("a-b.txt", Some("a-b.txt"));
        for unseen in [
            '\u{ad}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{206a}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{9b}',
            '\u{85}',
        ] {
            check(&format!("in{unseen}voice.pdf"), Some("invoice.pdf"));
            check(&format!("{unseen}.bashrc"), Some("bashrc"));
        }
        check("bücher 日本語 😀.pdf", Some("bücher 日本語 😀.pdf"));
        check(&"é".repeat(200), Some(&"é".repeat(120)));
    }
}
