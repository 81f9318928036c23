//! Tables for people: columns below their titles, as wide as their content.

use server::disposition;

/// The lines of a table. The header comes first; without rows it is the only line.
pub(crate) fn lines<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let header = header.map(str::to_owned);
    let all = || std::iter::once(&header).chain(rows);
    let width = |column: usize| {
        all().filter_map(|row| row.get(column)).map(|cell| shown(cell).chars().count()).max()
    };
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let cell = shown(cell);
            format!("{cell:<width$}")
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all().map(line).collect()
}

/// Text from the server, without what a terminal would obey.
pub(crate) fn shown(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    text.chars().filter(|c| !disposition::is_deceptive(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let check = |rows: &[[&str; 2]], expected: &[&str]| {
            let rows: Vec<_> = rows.iter().map(|row| row.map(str::to_owned)).collect();
            assert_eq!(lines(["NAME", "ID"], &rows), expected);
        };
        check(&[], &["NAME  ID"]);
        check(&[["é", "1"], ["longer", ""]], &["NAME    ID", "é       1", "longer  -"]);
        check(&[["a\u{202e}b\u{9b}", "x"]], &["NAME  ID", "ab    x"]);
        check(&[["a\u{1b}[1mb", "x"]], &["NAME   ID", "a[1mb  x"]);
    }
}
