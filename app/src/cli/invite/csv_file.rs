//! The file of `guestlist invite --csv`.
//!
//! A file with an invalid header is rejected as a whole. An invalid row is reported with its line
//! number and does not affect other rows.

use std::path::Path;

use anyhow::Context;
use csv::{ReaderBuilder, StringRecord};

use super::record::{Record, Row, RowError};

/// The meaning of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Email,
    Name,
    Role,
    /// A column without a name, as spreadsheets add; its fields must be empty.
    Unnamed,
}

pub fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    parse(&bytes).with_context(|| path.display().to_string())
}

fn parse(bytes: &[u8]) -> anyhow::Result<Vec<Row>> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if let Some(line) = unclosed_quote(bytes) {
        anyhow::bail!("line {line}: a quoted field is not closed");
    }
    let mut reader = ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().context("line 1 is not readable")?;
    let columns = parse_header(header)?;
    let mut lines = LineCounter { text: bytes, offset: 0, line: 1 };
    let mut rows = Vec::new();
    for row in reader.records() {
        let (position, parsed) = match &row {
            Ok(row) => (row.position(), parse_row(&columns, row)),
            Err(error) => (error.position(), Err(malformed_row(error))),
        };
        let line = Some(lines.line_of(position));
        rows.push(match parsed {
            Ok(record) => Row { line, record, error: None },
            Err(error) => Row { line, record: Record::default(), error: Some(error) },
        });
    }
    Ok(rows)
}

/// Returns the line of a quote that is never closed. The reader would take the rest of the file
/// for one field.
fn unclosed_quote(bytes: &[u8]) -> Option<u64> {
    let (mut line, mut opened) = (1, None);
    // A quote opens a field at its beginning. Directly after a closing quote it continues the
    // field.
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

fn malformed_row(error: &csv::Error) -> RowError {
    let detail = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "the line is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    };
    RowError::new("malformed_row", detail)
}

/// Counts lines as an editor does. The reader's own count skips empty lines and is off by one
/// after CRLF line ends.
struct LineCounter<'t> {
    text: &'t [u8],
    offset: usize,
    line: u64,
}

impl LineCounter<'_> {
    /// Returns the line of a row. Rows must be passed in their order.
    fn line_of(&mut self, row: Option<&csv::Position>) -> u64 {
        let start = row.and_then(|row| usize::try_from(row.byte()).ok()).unwrap_or(self.offset);
        while let Some(byte) = self.text.get(self.offset) {
            if self.offset >= start && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*byte == b'\n');
            self.offset += 1;
        }
        self.line
    }
}

fn parse_header(header: &StringRecord) -> anyhow::Result<Vec<Column>> {
    check_separator(header)?;
    let mut columns = Vec::new();
    for name in header {
        let column = match name.to_lowercase().as_str() {
            "email" => Column::Email,
            "name" => Column::Name,
            "role" => Column::Role,
            "" => Column::Unnamed,
            _ => anyhow::bail!(
                "line 1 has an unknown column “{name}”; the columns are email, name and role"
            ),
        };
        let is_duplicate = column != Column::Unnamed && columns.contains(&column);
        anyhow::ensure!(!is_duplicate, "line 1 has the column “{name}” twice");
        columns.push(column);
    }
    anyhow::ensure!(columns.contains(&Column::Email), "line 1 must have a column `email`");
    Ok(columns)
}

fn check_separator(header: &StringRecord) -> anyhow::Result<()> {
    let [only] = header.iter().collect::<Vec<_>>()[..] else { return Ok(()) };
    for (separator, name) in [(';', "semicolons"), ('\t', "tabs"), ('|', "|")] {
        let is_email = |field: &str| field.trim().eq_ignore_ascii_case("email");
        let is_separated = only.contains(separator) && only.split(separator).any(is_email);
        anyhow::ensure!(
            !is_separated,
            "the file is separated by {name}; save it separated by commas, with the header \
             email,name,role"
        );
    }
    Ok(())
}

fn parse_row(columns: &[Column], row: &StringRecord) -> Result<Record, RowError> {
    let named = columns.iter().filter(|column| **column != Column::Unnamed).count();
    let mut record = Record::default();
    for (index, field) in row.iter().enumerate() {
        match columns.get(index) {
            Some(Column::Email) => field.clone_into(&mut record.email),
            Some(Column::Name) => record.name = Some(field.to_owned()),
            Some(Column::Role) => record.role = Some(field.to_owned()),
            Some(Column::Unnamed) | None if field.is_empty() => {}
            Some(Column::Unnamed) | None => {
                let detail = format!(
                    "the field “{field}” is beyond the {named} columns of the header; quote \
                     fields that contain a comma"
                );
                return Err(RowError::new("malformed_row", detail));
            }
        }
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::super::record::reject_duplicates;
    use super::*;

    fn rows(text: &str) -> Vec<(u64, Result<[String; 3], String>)> {
        let fields = |Row { record: r, error, .. }: Row| match error {
            None => Ok([r.email, r.name.unwrap_or_default(), r.role.unwrap_or_default()]),
            Some(RowError { code, detail }) => Err(format!("{code}: {detail}")),
        };
        let mut rows = parse(text.as_bytes()).unwrap();
        reject_duplicates(&mut rows);
        rows.into_iter().map(|row| (row.line.unwrap(), fields(row))).collect()
    }

    fn header_error(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn an_unclosed_quote_is_reported_with_its_line() {
        for text in [
            "email,name\na@example.com,A\nb@example.com,\"Bob\nc@example.com,C\n",
            "email,name,role\na@example.com,A,\nb@example.com,\"Bob,admin",
            "email,name\na@example.com,A\nb@example.com,\"Bob \"\"B\nc@example.com,C\n",
        ] {
            assert!(header_error(text).starts_with("line 3:"), "{text}: {}", header_error(text));
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
    fn columns_may_have_any_case_and_order() {
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
    fn an_invalid_header_is_rejected() {
        for (text, message) in [
            ("", "must have a column `email`"),
            ("name,role\n", "must have a column `email`"),
            ("email,nmae\n", "unknown column “nmae”"),
            ("email,name,Email\n", "“Email” twice"),
            ("email;name;role\nada@example.com;Ada;admin\n", "separated by semicolons"),
            ("Name;E-Mail;email\n", "separated by semicolons"),
            ("email\tname\n", "separated by tabs"),
        ] {
            assert!(header_error(text).contains(message), "{text:?}: {}", header_error(text));
        }
    }

    #[test]
    fn a_field_beyond_the_header_is_reported_with_its_line() {
        let found = rows(
            "email,name\nada@example.com,Lovelace, Ada\nbob@example.com,Bob,,\n\n\ncy@example.com\n",
        );
        assert_eq!(found[0].0, 2);
        assert!(found[0].1.as_ref().unwrap_err().contains("“Ada” is beyond the 2 columns"));
        assert!(found[1].1.is_ok(), "an empty field is ignored");
        assert_eq!(found[2].0, 6, "lines are counted as an editor does");
        assert!(found[2].1.is_ok(), "the name is optional");
        let unnamed = rows("email,name,\nada@example.com,Ada,\nbob@example.com,Bob,x\n");
        assert!(unnamed[0].1.is_ok() && unnamed[1].1.is_err(), "{unnamed:?}");
    }

    #[test]
    fn a_duplicate_address_is_rejected() {
        let found = rows(
            "email,role\nada@example.com,king\nADA@Example.com,\n ada@example.com ,admin\nada@bücher.example,\nada@xn--bcher-kva.example,\n",
        );
        let accepted: Vec<_> = found.iter().map(|(_, row)| row.is_ok()).collect();
        assert_eq!(accepted, [true, true, false, true, false], "the first row has an invalid role");
        assert_eq!(
            found[2].1.as_ref().unwrap_err(),
            "already_invited: the address is already on line 3"
        );
    }

    #[test]
    fn a_line_that_is_not_utf_8_affects_no_other() {
        let found = parse(b"email\nada@example.com\n\xff@example.com\nbob@example.com\n").unwrap();
        assert!(found[0].error.is_none() && found[2].error.is_none());
        let error = found[1].error.as_ref().unwrap();
        assert_eq!((found[1].line, error.detail.as_str()), (Some(3), "the line is not UTF-8 text"));
    }
}
