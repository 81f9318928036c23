//! Where a statement stands in the text of its policy, for those who show it.

use crate::Policy;

/// A place in a text; lines and characters are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextPosition {
    /// The number of the line, from 1.
    pub line: usize,
    /// The number of the character in that line, from 1.
    pub column: usize,
}

impl Policy {
    /// Where each statement begins, and where it has ended, in their order and by one reading of the text; none:
    /// `Statement` is spelled with escapes.
    pub fn statement_places(&self) -> Vec<(TextPosition, TextPosition)> {
        let mut places = Vec::new();
        let mut at = TextPosition { line: 1, column: 1 };
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        // The last name in the document itself, and whether its value is the statements.
        let (mut name, mut in_statements) = (String::new(), false);
        // The statement that is being read: where it began, and how deep.
        let mut begun: Option<(TextPosition, usize)> = None;
        for letter in self.text().chars() {
            let here = at;
            at = match letter {
                '\n' => TextPosition { line: at.line.saturating_add(1), column: 1 },
                _ => TextPosition { column: at.column.saturating_add(1), ..at },
            };
            if in_string {
                in_string = escaped || letter != '"';
                escaped = !escaped && letter == '\\';
                if in_string && depth == 1 {
                    name.push(letter);
                }
                continue;
            }
            match letter {
                '"' => {
                    in_string = true;
                    name.clear();
                }
                ':' if depth == 1 => in_statements = name == "Statement",
                '{' | '[' => {
                    if letter == '{' && in_statements && begun.is_none() && depth <= 2 {
                        begun = Some((here, depth));
                    }
                    depth = depth.saturating_add(1);
                }
                '}' | ']' => {
                    depth = depth.saturating_sub(1);
                    if let Some((begin, _)) = begun.take_if(|(_, level)| *level == depth) {
                        places.push((begin, at));
                    }
                }
                _ => {}
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, statement: usize, expected: Option<[usize; 4]>) {
        let found = Policy::parse(text).unwrap().statement_places();
        let found =
            found.get(statement).map(|(from, to)| [from.line, from.column, to.line, to.column]);
        assert_eq!(found, expected, "{text} {statement}");
    }

    #[test]
    fn statements_are_found_where_they_stand() {
        let one = r#"{"Effect":"Allow","Action":"a:b","Resource":"*"}"#;
        // As in AWS's own example of an answer: line 3, column 16, to line 7, column 4.
        let lines = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": {\n    \"Effect\": \"Allow\",\n    \"Action\": \"a:b\",\n    \"Resource\": \"*\"\n  }\n}";
        check(lines, 0, Some([3, 16, 7, 4]));
        check(&format!(r#"{{"Statement":[{one},{one}]}}"#), 0, Some([1, 15, 1, 63]));
        check(&format!(r#"{{"Statement":[{one},{one}]}}"#), 1, Some([1, 64, 1, 112]));
        check(&format!(r#"{{"Statement":[{one}]}}"#), 1, None);
        // Braces and names in strings, and objects within statements, are none of it.
        let nested = r#"{"Id":"\"Statement\":{","Statement":{"Sid":"","Effect":"Deny","Action":"*","Resource":"}","Condition":{"Bool":{"a:b":"true"}}}}"#;
        check(nested, 0, Some([1, 37, 1, 127]));
    }
}
