//! Takes a form apart while it comes in: fields first, then the bytes of the file, of which none is
//! kept. No crate is used for this: what the well-known one does not promise is to read no more than
//! it can give on.

use std::fmt;

use bytes::{Buf as _, Bytes, BytesMut};

use super::disposition::{Disposition, next_parameter};

/// What may come before the part that is the file (semantics 3.1.5).
pub const FORM_BYTES_BEFORE_FILE_MAX: usize = 20_480;

/// The head of one part.
const HEAD_BYTES_MAX: usize = 4_096;
/// The boundary of a form (RFC 2046, 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;
/// The name of the part that is the file.
const FILE: &str = "file";

const LINE_END: &[u8] = b"\r\n";
const HEAD_END: &[u8] = b"\r\n\r\n";
/// What follows the last boundary.
const CLOSING: &[u8] = b"--\r\n";

/// What comes out of a form, in this order: fields, one [`File`](Self::File), data, one
/// [`End`](Self::End).
#[derive(PartialEq, Eq)]
pub enum FormEvent {
    /// A field that stands before the file, complete.
    Field {
        /// The name of the field, in the letters that it was sent in.
        name: String,
        /// The value of the field, unchanged.
        value: String,
    },
    /// The file begins: no field after it counts.
    File {
        /// The name it was sent with; `None`: none was sent, which is not an empty one.
        name: Option<String>,
    },
    /// The next bytes of the file.
    Data(Bytes),
    /// The file is whole. Whatever follows it is ignored.
    End,
}

impl fmt::Debug for FormEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { name, value: _ } => write!(formatter, "Field({name:?}, ..)"),
            Self::File { name } => write!(formatter, "File({name:?})"),
            Self::Data(data) => write!(formatter, "Data({} bytes)", data.len()),
            Self::End => formatter.write_str("End"),
        }
    }
}

/// Why a body is not a form with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// The content type is another.
    ///
    /// 412 `PreconditionFailed` with `Condition` "Bucket POST must be of the enclosure-type
    /// multipart/form-data" (semantics 3.1.2).
    #[error("not multipart/form-data")]
    NotMultipart,
    /// No boundary, one that cannot be, or a body that it does not divide into parts.
    ///
    /// 400 `MalformedPOSTRequest` "The body of your POST request is not well-formed
    /// multipart/form-data." (semantics 3.1.3).
    #[error("malformed multipart/form-data")]
    Malformed,
    /// More than [`FORM_BYTES_BEFORE_FILE_MAX`] bytes before the file.
    ///
    /// 400 `MaxPostPreDataLengthExceeded` with `MaxPostPreDataLengthBytes` (semantics 3.1.5).
    #[error("too much before the file")]
    TooMuchBeforeFile,
    /// No part is named `file`.
    ///
    /// 400 `InvalidArgument` "POST requires exactly one file upload per request." with
    /// `ArgumentName` `file` and `ArgumentValue` 0 (semantics 3.1.4).
    #[error("no file")]
    NoFile,
}

/// Decodes a form of any size in little memory. It does no I/O and copies nothing of the file.
///
/// Until [`FormEvent::End`] has come, the file is not whole.
pub struct FormDecoder {
    /// CRLF, two hyphens, boundary: what ends a part.
    delimiter: Bytes,
    state: State,
    /// What has come before the file and is not read yet.
    held: BytesMut,
    /// How much of what is held was searched for what comes next.
    searched: usize,
    /// How much of what came before the file is read already.
    read: usize,
}

enum State {
    /// Before the first boundary: anything.
    Preamble,
    /// Behind a boundary: the end of its line, or of the form.
    Boundary,
    /// In the head of a part.
    Head,
    /// In a part that is not the file; a field, if it has a name.
    Part(Option<String>),
    /// In the file, of whose last bytes so many may be the beginning of the delimiter.
    File {
        matched: usize,
    },
    End,
}

/// What became of a piece of what is held.
enum Step {
    Event(FormEvent),
    On,
    /// More is needed to go on.
    Wanting,
}

impl FormDecoder {
    /// Begins a form, as its `Content-Type` announces it.
    pub fn new(content_type: &str) -> Result<Self, FormError> {
        let (kind, mut rest) = content_type.split_once(';').unwrap_or((content_type, ""));
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return Err(FormError::NotMultipart);
        }
        let boundary = loop {
            let (name, value, tail) = next_parameter(rest).ok_or(FormError::Malformed)?;
            if name.eq_ignore_ascii_case("boundary") {
                break value;
            }
            rest = tail;
        };
        let fits = (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len())
            && boundary.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if !fits {
            return Err(FormError::Malformed);
        }
        let delimiter = Bytes::from(["\r\n--", &boundary].concat());
        // A form begins with a boundary, as if a line had ended before it.
        let held = BytesMut::from(LINE_END);
        Ok(Self { delimiter, state: State::Preamble, held, searched: 0, read: 0 })
    }

    /// The bytes that surround the file in a form that ends with it, as all clients write it: those
    /// before it, and the last boundary. Known once the file has begun.
    pub fn bytes_around_file(&self) -> Option<u64> {
        let begun = matches!(self.state, State::File { .. } | State::End);
        let around = self.read + self.delimiter.len() + CLOSING.len() - LINE_END.len();
        begun.then(|| u64::try_from(around).ok()).flatten()
    }

    /// Takes from `input` and says what it found; `None`: it has taken everything and wants more.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<FormEvent>, FormError> {
        loop {
            match self.state {
                State::End => {
                    input.clear();
                    return Ok(None);
                }
                State::File { matched } if self.held.is_empty() => {
                    return Ok(self.file(matched, input));
                }
                // What was held when the file began comes before what is new.
                State::File { matched } => {
                    let mut held = self.held.split().freeze();
                    let event = self.file(matched, &mut held);
                    self.held.extend_from_slice(&held);
                    if event.is_some() {
                        return Ok(event);
                    }
                }
                State::Preamble | State::Boundary | State::Head | State::Part(_) => {
                    match self.before_file()? {
                        Step::Event(event) => return Ok(Some(event)),
                        Step::On => {}
                        Step::Wanting if self.hold(input)? => {}
                        Step::Wanting => return Ok(None),
                    }
                }
            }
        }
    }

    /// Takes as much of the input as may still come before the file. Whether there was any.
    fn hold(&mut self, input: &mut Bytes) -> Result<bool, FormError> {
        let most = FORM_BYTES_BEFORE_FILE_MAX + self.delimiter.len() + HEAD_BYTES_MAX;
        let room = most.saturating_sub(self.read + self.held.len());
        if input.is_empty() {
            return Ok(false);
        }
        if room == 0 {
            return Err(FormError::TooMuchBeforeFile);
        }
        self.held.extend_from_slice(&input.split_to(room.min(input.len())));
        Ok(true)
    }

    /// Reads one piece of what is held.
    fn before_file(&mut self) -> Result<Step, FormError> {
        match &mut self.state {
            State::Preamble => {
                let delimiter = self.delimiter.clone();
                let Some(at) = self.find(&delimiter) else { return Ok(Step::Wanting) };
                self.take(at + delimiter.len(), State::Boundary);
                Ok(Step::On)
            }
            State::Boundary => self.boundary(),
            State::Head => self.head(),
            State::Part(name) => {
                let name = name.take();
                let delimiter = self.delimiter.clone();
                let Some(at) = self.find(&delimiter) else {
                    self.state = State::Part(name);
                    return Ok(Step::Wanting);
                };
                let part = self.take(at + delimiter.len(), State::Boundary);
                let Some(name) = name else { return Ok(Step::On) };
                let value = text(part.get(..at).unwrap_or_default())?;
                Ok(Step::Event(FormEvent::Field { name, value }))
            }
            State::File { .. } | State::End => Ok(Step::On),
        }
    }

    /// Behind a boundary: white space that a gateway may have added, and the end of the line.
    fn boundary(&mut self) -> Result<Step, FormError> {
        if self.held.starts_with(b"--") {
            return Err(FormError::NoFile);
        }
        let Some(at) = self.find(LINE_END) else { return Ok(Step::Wanting) };
        // The end of the line is left, since it also ends a head without lines.
        let padding = self.take(at, State::Head);
        let blank = padding.iter().all(|byte| matches!(byte, b' ' | b'\t'));
        if blank { Ok(Step::On) } else { Err(FormError::Malformed) }
    }

    fn head(&mut self) -> Result<Step, FormError> {
        let Some(at) = self.find(HEAD_END).filter(|at| *at <= HEAD_BYTES_MAX) else {
            let too_long = self.held.len() > HEAD_BYTES_MAX + HEAD_END.len();
            return if too_long { Err(FormError::Malformed) } else { Ok(Step::Wanting) };
        };
        // The boundary before it belongs to the part.
        let before = self.read.saturating_sub(self.delimiter.len());
        let head = self.take(at + HEAD_END.len(), State::Part(None));
        match Disposition::of_head(&text(&head)?) {
            Some(part) if part.name.eq_ignore_ascii_case(FILE) => {
                if before > FORM_BYTES_BEFORE_FILE_MAX {
                    return Err(FormError::TooMuchBeforeFile);
                }
                self.state = State::File { matched: 0 };
                Ok(Step::Event(FormEvent::File { name: part.file_name }))
            }
            part => {
                self.state = State::Part(part.map(|part| part.name));
                Ok(Step::On)
            }
        }
    }

    /// Where the pattern is in what is held; what was searched before is not searched again.
    fn find(&mut self, pattern: &[u8]) -> Option<usize> {
        let rest = self.held.get(self.searched..).unwrap_or_default();
        let found = rest.windows(pattern.len()).position(|window| window == pattern);
        if found.is_none() {
            self.searched = self.held.len().saturating_sub(pattern.len() - 1).max(self.searched);
        }
        found.map(|at| at + self.searched)
    }

    /// Takes so many bytes of what is held, and goes on to the next state.
    fn take(&mut self, bytes: usize, next: State) -> BytesMut {
        self.read += bytes;
        self.searched = 0;
        self.state = next;
        self.held.split_to(bytes.min(self.held.len()))
    }

    /// The next bytes of the file. A carriage return stands in the delimiter at its beginning alone,
    /// so what did not turn out to be one is data and needs no second look.
    fn file(&mut self, mut matched: usize, input: &mut Bytes) -> Option<FormEvent> {
        if input.is_empty() {
            return None;
        }
        if matched > 0 {
            let wanted = self.delimiter.get(matched..).unwrap_or_default();
            let same = common_prefix(wanted, input);
            if same == wanted.len() {
                input.advance(same);
                self.state = State::End;
                return Some(FormEvent::End);
            }
            if same == input.len() {
                input.clear();
                self.state = State::File { matched: matched + same };
                return None;
            }
            self.state = State::File { matched: 0 };
            return Some(FormEvent::Data(self.delimiter.slice(..matched)));
        }
        let mut at = 0;
        while let Some(rest) = input.get(at..)
            && let Some(next) = rest.iter().position(|byte| *byte == b'\r')
        {
            at += next;
            let rest = input.get(at..).unwrap_or_default();
            matched = common_prefix(&self.delimiter, rest);
            if matched == self.delimiter.len() || matched == rest.len() {
                break;
            }
            matched = 0;
            at += 1;
        }
        let data = if matched > 0 { input.split_to(at) } else { input.split_to(input.len()) };
        if matched == self.delimiter.len() && data.is_empty() {
            input.advance(matched);
            self.state = State::End;
            return Some(FormEvent::End);
        }
        if matched < self.delimiter.len() {
            input.clear();
            self.state = State::File { matched };
        }
        (!data.is_empty()).then_some(FormEvent::Data(data))
    }
}

impl fmt::Debug for FormDecoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FormDecoder").field("read", &self.read).finish_non_exhaustive()
    }
}

/// The text of a name or value. Forms are UTF-8; other bytes are refused.
fn text(bytes: &[u8]) -> Result<String, FormError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| FormError::Malformed)
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=b";

    /// The events of a body that arrives in pieces of a size, in words.
    fn events(body: &str, piece_size: usize) -> String {
        let mut decoder = FormDecoder::new(TYPE).unwrap();
        let (mut words, mut data) = (Vec::new(), Vec::new());
        for piece in body.as_bytes().chunks(piece_size) {
            let mut input = Bytes::copy_from_slice(piece);
            loop {
                match decoder.decode(&mut input) {
                    Ok(Some(FormEvent::Field { name, value })) => {
                        words.push(format!("{name}={value}"));
                    }
                    Ok(Some(FormEvent::File { name })) => words.push(format!("file {name:?}")),
                    Ok(Some(FormEvent::Data(bytes))) => data.extend_from_slice(&bytes),
                    Ok(Some(FormEvent::End)) => {
                        words.push(format!("{:?}", String::from_utf8_lossy(&data)));
                        words.push("end".to_owned());
                    }
                    Ok(None) => break,
                    Err(error) => {
                        words.push(format!("{error:?}"));
                        return words.join(" ");
                    }
                }
            }
            assert!(input.is_empty());
        }
        words.join(" ")
    }

    fn check(body: &str, expected: &str) {
        for piece_size in [1, 2, 3, 7, 100_000] {
            assert_eq!(events(body, piece_size), expected, "{body:?} by {piece_size}");
        }
    }

    fn part(disposition: &str, content: &str) -> String {
        format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
    }

    #[test]
    fn fields_come_before_the_file_and_nothing_after_it() {
        let key = part("name=\"key\"", "k");
        let file = part("name=\"file\"; filename=\"x\"", "data");
        check(&format!("{key}{file}--b--\r\n"), r#"key=k file Some("x") "data" end"#);
        check(&format!("{key}{file}{key}{file}--b--"), r#"key=k file Some("x") "data" end"#);
        check(&format!("{file}--b"), r#"file Some("x") "data" end"#);
        check(&format!("preamble\r\n{file}--b--"), r#"file Some("x") "data" end"#);
        check(&format!("\r\n{file}--b--"), r#"file Some("x") "data" end"#);
        let bare = part("name=File", "");
        check(&format!("{bare}--b--"), r#"file None "" end"#);
        let padded = file.replacen("--b\r\n", "--b \t\r\n", 1);
        check(&format!("{padded}--b--"), r#"file Some("x") "data" end"#);
        let typed =
            "--b\r\nContent-Type: a/b\r\nContent-Disposition: form-data; name=f\r\n\r\n1\r\n";
        check(&format!("{typed}{file}--b--"), r#"f=1 file Some("x") "data" end"#);
    }

    #[test]
    fn parts_without_a_name_are_no_fields() {
        let file = part("name=file", "");
        let parts = "--b\r\n\r\nno head\r\n--b\r\nContent-Type: a/b\r\n\r\n1\r\n\
                     --b\r\nContent-Disposition: file; name=\"file\"\r\n\r\n2\r\n";
        check(&format!("{parts}{file}--b--"), r#"file None "" end"#);
        check(&format!("{parts}--b--"), "NoFile");
        check("--b--", "NoFile");
        check(&format!("{}--b--\r\n{file}--b--", part("name=key", "k")), "key=k NoFile");
    }

    #[test]
    fn a_file_may_look_like_its_end() {
        for data in ["\r\n", "\r\n--", "\r\n-\r\n--\r", "\r\r\n--a\r\n--", "--b", "\n--b--", "\r"] {
            let expected = format!("file None {data:?} end");
            check(&format!("{}--b--", part("name=file", data)), &expected);
        }
    }

    #[test]
    fn what_is_no_form() {
        check("", "");
        check("--", "");
        check("--bx\r\n", "Malformed");
        check("no boundary", "");
        check(&part("name=file", ""), "file None");
        let not_utf8 = |body: &[u8]| {
            let mut input = Bytes::copy_from_slice(body);
            let mut decoder = FormDecoder::new(TYPE).unwrap();
            assert_eq!(decoder.decode(&mut input), Err(FormError::Malformed));
        };
        not_utf8(b"--b\r\nContent-Disposition: form-data; name=k\r\n\r\n\xff\r\n--b");
        not_utf8(b"--b\r\nContent-Disposition: form-data; name=\xff\r\n\r\n");
        let long = format!("--b\r\n{}\r\n\r\n", "h".repeat(HEAD_BYTES_MAX));
        check(&long, "Malformed");
    }

    #[test]
    fn what_comes_before_the_file_is_limited() {
        let with = |content: usize| {
            format!("{}{}", part("name=a", &"v".repeat(content)), part("name=file", ""))
        };
        let head = part("name=a", "").len();
        let limit = FORM_BYTES_BEFORE_FILE_MAX - head;
        let words = |content: usize| events(&with(content), 1000).split_off(2 + content);
        assert_eq!(words(limit), " file None");
        assert_eq!(words(limit + 1), " TooMuchBeforeFile");
        // A file under another name is a field that does not end.
        let wrong = part("name=upload; filename=x", &"v".repeat(60_000));
        check(&wrong, "TooMuchBeforeFile");
        check(&"v".repeat(60_000), "TooMuchBeforeFile");
    }

    #[test]
    fn a_content_type_names_its_boundary() {
        let check = |content_type: &str, expected: Result<&str, FormError>| {
            let decoder = FormDecoder::new(content_type).map(|decoder| decoder.delimiter);
            let expected = expected.map(|boundary| Bytes::from(format!("\r\n--{boundary}")));
            assert_eq!(decoder, expected, "{content_type}");
        };
        check(
            "multipart/form-data; boundary=----WebKitFormBoundaryX",
            Ok("----WebKitFormBoundaryX"),
        );
        check("Multipart/Form-Data;charset=utf-8; Boundary=\"a b:c\"", Ok("a b:c"));
        check("multipart/form-data;boundary=x ; charset=utf-8", Ok("x"));
        check("multipart/form-data", Err(FormError::Malformed));
        check("multipart/form-data; charset=utf-8", Err(FormError::Malformed));
        check("multipart/form-data; boundary=", Err(FormError::Malformed));
        check("multipart/form-data; boundary=\"\"", Err(FormError::Malformed));
        check(
            &format!("multipart/form-data; boundary={}", "b".repeat(71)),
            Err(FormError::Malformed),
        );
        check("multipart/form-data; boundary=\"a\r\"", Err(FormError::Malformed));
        check("multipart/form-dataX; boundary=b", Err(FormError::NotMultipart));
        check("multipart/mixed; boundary=b", Err(FormError::NotMultipart));
        check("application/x-www-form-urlencoded", Err(FormError::NotMultipart));
        check("", Err(FormError::NotMultipart));
    }

    #[test]
    fn the_size_of_the_file_follows_from_that_of_the_form() {
        let body = format!("{}{}--b--\r\n", part("name=key", "k"), part("name=file", "data"));
        let mut decoder = FormDecoder::new(TYPE).unwrap();
        let mut input = Bytes::from(body.clone());
        assert_eq!(decoder.bytes_around_file(), None);
        while !matches!(decoder.decode(&mut input), Ok(Some(FormEvent::File { .. }))) {}
        let around = usize::try_from(decoder.bytes_around_file().unwrap()).unwrap();
        assert_eq!(body.len() - around, 4);
    }
}
