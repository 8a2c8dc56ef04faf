//! Columns for people.

use guestlist_worker::setup::terminal::escape;

/// Lines whose columns stand under each other, whatever is in them.
pub fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Free text on one line: line ends and tabs become spaces, and what a terminal would act on is
/// escaped.
pub fn one_line(text: &str) -> String {
    escape(&text.replace(['\n', '\r', '\t'], " ")).into_owned()
}

/// A row of words.
pub fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(ToOwned::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [row(["a", "long", "x"]), row(["longer", "b", ""])];
        assert_eq!(table(&rows), "a       long  x\nlonger  b\n");
        assert_eq!(table(&[row(["two\nlines\u{1b}[31m"])]), "two lines\\u001b[31m\n");
    }
}
