//! The file of `guestlist invite --csv`: which columns it has, and its rows.
//!
//! A file whose columns are not understood is refused as a whole. A row that is not understood is
//! refused by its line, and stops no other.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use csv::{ReaderBuilder, StringRecord};
use guestlist_domain::Email;

use super::invite::Record;

/// A row, or the code and message of its error.
pub type Read = Result<Record, (&'static str, String)>;

/// A column that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Email,
    Name,
    Role,
    /// Without a name, as spreadsheets add; its fields must be empty.
    Nameless,
}

/// Reads a file, each row with the number of its line.
pub fn read(path: &Path) -> anyhow::Result<Vec<(u64, Read)>> {
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| shown.clone())?;
    parse(&bytes).with_context(|| shown)
}

fn parse(bytes: &[u8]) -> anyhow::Result<Vec<(u64, Read)>> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if let Some(line) = unclosed_quote(bytes) {
        anyhow::bail!("line {line}: a field begins with a quote that is never closed");
    }
    let mut reader = ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().context("line 1 can't be read")?;
    let columns = columns(header)?;
    let mut lines = Lines { text: bytes, at: 0, line: 1 };
    let mut rows = Vec::new();
    for row in reader.records() {
        rows.push(match row {
            Ok(row) => (lines.of(row.position()), record(&columns, &row)),
            Err(error) => (lines.of(error.position()), Err(("malformed_row", unreadable(&error)))),
        });
    }
    Ok(rows)
}

/// The line of a quote that is not closed before the end of the file. The reader would take
/// everything after it for one field.
fn unclosed_quote(bytes: &[u8]) -> Option<u64> {
    let (mut line, mut opened) = (1, None);
    // A quote opens a field at its beginning, and one right after a closing quote goes on with it.
    let mut may_open = true;
    for byte in bytes {
        line += u64::from(*byte == b'\n');
        match (byte, opened) {
            (b'"', Some(_)) => (opened, may_open) = (None, true),
            (_, Some(_)) => {}
            (b'"', None) if may_open => opened = Some(line),
            (byte, None) => may_open = matches!(byte, b',' | b'\r' | b'\n'),
        }
    }
    opened
}

fn unreadable(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "the line is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}

/// Counts lines as an editor does. The reader's own count leaves out empty lines, and line ends of
/// two bytes put it off by one.
struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of a row, each of which is behind the one before.
    fn of(&mut self, row: Option<&csv::Position>) -> u64 {
        let start = row.and_then(|row| usize::try_from(row.byte()).ok()).unwrap_or(self.at);
        while let Some(byte) = self.text.get(self.at) {
            if self.at >= start && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*byte == b'\n');
            self.at += 1;
        }
        self.line
    }
}

fn columns(header: &StringRecord) -> anyhow::Result<Vec<Column>> {
    if let [only] = header.iter().collect::<Vec<_>>()[..] {
        for (separator, name) in [(';', ";"), ('\t', "a tab"), ('|', "|")] {
            let is_email = |field: &str| field.trim().eq_ignore_ascii_case("email");
            let is_separated = only.contains(separator) && only.split(separator).any(is_email);
            anyhow::ensure!(
                !is_separated,
                "the file is separated by {name}: save it separated by commas, with the header \
                 email,name,role"
            );
        }
    }
    let mut columns = Vec::new();
    for name in header {
        let column = match name.to_lowercase().as_str() {
            "email" => Column::Email,
            "name" => Column::Name,
            "role" => Column::Role,
            "" => Column::Nameless,
            _ => anyhow::bail!(
                "line 1 names the column “{name}”, which is unknown: known are email, name and role"
            ),
        };
        let is_doubled = column != Column::Nameless && columns.contains(&column);
        anyhow::ensure!(!is_doubled, "line 1 names the column “{name}” twice");
        columns.push(column);
    }
    anyhow::ensure!(columns.contains(&Column::Email), "line 1 must name a column `email`");
    Ok(columns)
}

fn record(columns: &[Column], row: &StringRecord) -> Read {
    let named = columns.iter().filter(|column| **column != Column::Nameless).count();
    let mut record = Record::default();
    for (index, field) in row.iter().enumerate() {
        match columns.get(index) {
            Some(Column::Email) => field.clone_into(&mut record.email),
            Some(Column::Name) => record.name = Some(field.to_owned()),
            Some(Column::Role) => record.role = Some(field.to_owned()),
            Some(Column::Nameless) | None if field.is_empty() => {}
            Some(Column::Nameless) | None => {
                let detail = format!(
                    "the field “{field}” belongs to no column: the header names {named}; a text \
                     with a comma goes in quotes"
                );
                return Err(("malformed_row", detail));
            }
        }
    }
    Ok(record)
}

/// Refuses a row whose address an earlier row has, however it is written. The number is the line,
/// where there is a file.
pub fn refuse_repeated(rows: &mut [(Option<u64>, Read)]) {
    let mut first: HashMap<Email, Option<u64>> = HashMap::new();
    for (line, row) in rows {
        let Ok(record) = row else { continue };
        // A row that is refused for something else leaves its address to another.
        let Ok(request) = record.read() else { continue };
        match first.get(&request.email) {
            Some(earlier) => {
                let detail = match earlier {
                    Some(line) => format!("the address is on line {line} already"),
                    None => "the address is given more than once".to_owned(),
                };
                *row = Err(("already_invited", detail));
            }
            None => drop(first.insert(request.email, *line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(u64, Result<[String; 3], String>)> {
        let said = |row: Read| {
            row.map(|r| [r.email, r.name.unwrap_or_default(), r.role.unwrap_or_default()])
                .map_err(|(code, detail)| format!("{code}: {detail}"))
        };
        let rows = parse(text.as_bytes()).unwrap();
        let mut rows: Vec<_> = rows.into_iter().map(|(line, row)| (Some(line), row)).collect();
        refuse_repeated(&mut rows);
        rows.into_iter().map(|(line, row)| (line.unwrap(), said(row))).collect()
    }

    fn refused(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_quote_that_is_not_closed_is_refused_by_its_line() {
        for text in [
            "email,name\na@example.com,A\nb@example.com,\"Bob\nc@example.com,C\n",
            "email,name,role\na@example.com,A,\nb@example.com,\"Bob,admin",
            "email,name\na@example.com,A\nb@example.com,\"Bob \"\"B\nc@example.com,C\n",
        ] {
            assert!(refused(text).starts_with("line 3:"), "{text}: {}", refused(text));
        }
        for text in [
            "email,name\na@example.com,\"Bob \"\"B\"\"\"\n",
            "email,name\na@example.com,5\" Bob\n",
            "email,name\n\"a@example.com\",\"\"\n",
        ] {
            assert_eq!(rows(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn columns_are_named_in_any_case_and_order() {
        for text in [
            "email,name,role\nada@example.com,Ada,admin\n",
            "email,Name,ROLE\nada@example.com,Ada,admin",
            "\u{feff}Role , EMAIL,name\r\nadmin,ada@example.com, Ada \r\n",
        ] {
            let ada = ["ada@example.com", "Ada", "admin"].map(ToOwned::to_owned);
            assert_eq!(rows(text), [(2, Ok(ada))], "{text:?}");
        }
    }

    #[test]
    fn a_header_that_is_not_understood_is_refused_by_name() {
        for (text, words) in [
            ("", "must name a column `email`"),
            ("name,role\n", "must name a column `email`"),
            ("email,nmae\n", "“nmae”, which is unknown"),
            ("email,name,Email\n", "“Email” twice"),
            ("email;name;role\nada@example.com;Ada;admin\n", "separated by ;"),
            ("Name;E-Mail;email\n", "separated by ;"),
            ("email\tname\n", "separated by a tab"),
        ] {
            assert!(refused(text).contains(words), "{text:?}: {}", refused(text));
        }
    }

    #[test]
    fn a_field_that_belongs_to_no_column_is_refused_by_its_line() {
        let found = rows(
            "email,name\nada@example.com,Lovelace, Ada\nbob@example.com,Bob,,\n\n\ncy@example.com\n",
        );
        assert_eq!(found[0].0, 2);
        assert!(found[0].1.as_ref().unwrap_err().contains("“Ada” belongs to no column"));
        assert!(found[1].1.is_ok(), "an empty field is none");
        assert_eq!(found[2].0, 6, "lines are counted as an editor does");
        assert!(found[2].1.is_ok(), "a name can be left out");
        let nameless = rows("email,name,\nada@example.com,Ada,\nbob@example.com,Bob,x\n");
        assert!(nameless[0].1.is_ok() && nameless[1].1.is_err(), "{nameless:?}");
    }

    #[test]
    fn an_address_that_comes_twice_is_refused_the_second_time() {
        let found = rows(
            "email,role\nada@example.com,king\nADA@Example.com,\n ada@example.com ,admin\nada@bücher.example,\nada@xn--bcher-kva.example,\n",
        );
        let verdicts: Vec<_> = found.iter().map(|(_, row)| row.is_ok()).collect();
        assert_eq!(verdicts, [true, true, false, true, false], "the first is refused for its role");
        assert_eq!(
            found[2].1.as_ref().unwrap_err(),
            "already_invited: the address is on line 3 already"
        );
    }

    #[test]
    fn a_line_that_is_no_text_is_refused_by_itself() {
        let found = parse(b"email\nada@example.com\n\xff@example.com\nbob@example.com\n").unwrap();
        assert!(found[0].1.is_ok() && found[2].1.is_ok());
        let (line, row) = &found[1];
        assert_eq!(
            (*line, row.as_ref().unwrap_err().1.as_str()),
            (3, "the line is not UTF-8 text")
        );
    }
}
