//! Text tables.

use std::fmt::{self, Display};

use guestlist_worker::setup::terminal::escape;

/// A table with aligned columns.
#[derive(Debug)]
pub struct Table<const N: usize>(Vec<[String; N]>);

impl<const N: usize> Table<N> {
    /// Creates a table with a header.
    pub fn new(header: [&str; N]) -> Self {
        Self(vec![header.map(ToOwned::to_owned)])
    }

    /// Creates a table without a header.
    pub fn without_header() -> Self {
        Self(Vec::new())
    }

    /// Appends a row.
    pub fn push(&mut self, cells: [String; N]) {
        self.0.push(cells.map(|cell| one_line(&cell)));
    }
}

impl<const N: usize> Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            self.0.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let widths: [usize; N] = std::array::from_fn(width);
        for row in &self.0 {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// Replaces line ends and tabs with spaces, and escapes other control characters.
pub fn one_line(text: &str) -> String {
    escape(&text.replace(['\n', '\r', '\t'], " ")).into_owned()
}

/// Returns the text of a cell, `-` if there is none.
pub fn or_dash(text: Option<impl Display>) -> String {
    text.map_or_else(|| "-".to_owned(), |text| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(["a", "long", "x"]);
        table.push(["longer", "b", ""].map(ToOwned::to_owned));
        assert_eq!(table.to_string(), "a       long  x\nlonger  b\n");
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut table = Table::without_header();
        table.push(["two\nlines\u{1b}[31m".to_owned()]);
        assert_eq!(table.to_string(), "two lines\\u001b[31m\n");
    }
}
