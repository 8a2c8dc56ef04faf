//! Loads the `.env` file of the current folder.

use std::fs;
use std::io;
use std::path::Path;

pub const FILE: &str = ".env";

/// The most malformed lines that an error names.
const MAX_NAMED: usize = 5;
/// The most lines of a quoted value.
const MAX_VALUE_LINES: usize = 1000;

/// Loads the `.env` file of the current folder, if there is one, into the environment. Variables
/// that are set already, even to an empty value, are not changed.
///
/// # Errors
///
/// An error names lines and variables, never a value. Valid lines are loaded even so, to avoid
/// errors about missing variables.
pub fn read_dotenv() -> Result<(), String> {
    let Some(text) = read(Path::new(FILE))? else { return Ok(()) };
    let (valid, problem) = parse(&text);
    let loaded = dotenvy::from_read(valid.as_bytes()).map_err(|_| "can't be read".to_owned());
    problem.map_or(loaded, Err)
}

/// Returns the file's text with a final line end, without which `dotenvy` refuses a trailing space.
fn read(path: &Path) -> Result<Option<String>, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
            return Err("is a link to a missing file".to_owned());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) if path.is_dir() => return Err("is a folder, not a file".to_owned()),
        Err(error) => return Err(format!("can't be read: {error}")),
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        format!("line {line} is not UTF-8 text")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(Some(format!("{text}\n")))
}

/// Returns the valid statements, and a description of the others.
fn parse(text: &str) -> (String, Option<String>) {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (mut valid, mut malformed) = (String::new(), Vec::new());
    let mut start = 0;
    while start < lines.len() && malformed.len() < MAX_NAMED {
        if let Some(end) = end_of_statement(&lines, start) {
            valid.extend(lines[start..end].iter().copied());
            start = end;
        } else {
            let named = variable(lines[start]).map_or(String::new(), |name| format!(" ({name})"));
            malformed.push(format!("line {}{named}", start + 1));
            start += 1;
        }
    }
    if malformed.is_empty() {
        return (valid, None);
    }
    let problem = format!(
        "can't be read at {}; it must be NAME=value there, and a value with spaces, quotes, # or $ \
         must be in single quotes",
        malformed.join(", ")
    );
    (valid, Some(problem))
}

/// Returns the line after the statement that starts at line `start`. A quoted value may span
/// several lines.
fn end_of_statement(lines: &[&str], start: usize) -> Option<usize> {
    let most = lines.len().min(start + MAX_VALUE_LINES);
    for end in start + 1..=most {
        let text = lines[start..end].concat();
        // The operating system does not allow NUL.
        let is_valid = |(_, value): &(String, String)| !value.contains('\0');
        match dotenvy::from_read_iter(text.as_bytes()).next() {
            None => return Some(end),
            Some(Ok(statement)) => return is_valid(&statement).then_some(end),
            // A quote is not closed at the end of the text.
            Some(Err(dotenvy::Error::LineParse(line, _))) if line == text => {}
            Some(Err(_)) => return None,
        }
    }
    None
}

/// Returns the variable that a line sets. Only names in capitals count: anything else in a
/// malformed line may be part of a secret.
fn variable(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let (name, _) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let name = name.trim();
    let is_name = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        parse(&format!("{text}\n")).1.unwrap()
    }

    #[test]
    fn malformed_lines_are_named_by_number_and_variable_only() {
        for (text, at) in [
            ("A=1\nSTYTCH_SECRET=my secret\nB=2", "line 2 (STYTCH_SECRET);"),
            ("A=1\r\n\r\nexport STYTCH_SECRET='it's secret\r\nB=2", "line 3 (STYTCH_SECRET);"),
            ("A='several\nlines'\nSECRET=\"secret\nB=2", "line 3 (SECRET);"),
            ("# secret\nA=1\nsecret", "line 3;"),
            ("A=1\nsecret=x y\nC=se cret", "line 2, line 3 (C);"),
            ("SECRET='sec\0ret'", "line 1 (SECRET);"),
        ] {
            let problem = problem(text);
            assert!(problem.starts_with(&format!("can't be read at {at}")), "{text:?}: {problem}");
            assert!(!problem.contains("secret"), "{text:?}: {problem}");
        }
        let none = problem(&"secret\n".repeat(100_000));
        assert_eq!(none.matches("line").count(), MAX_NAMED);
    }

    #[test]
    fn valid_lines_are_loaded_beside_malformed_ones() {
        let (valid, problem) = parse("A=1\nB=x y\n\nC='x\ny'\n");
        assert_eq!((valid.as_str(), problem.is_some()), ("A=1\n\nC='x\ny'\n", true));
    }

    #[test]
    fn files_of_other_systems_are_read() {
        for text in ["", "A=1", "A=1 ", "A=\r\nB=2\r\n", "A='x\r\ny'\r\n", "  # a comment"] {
            let text = format!("{text}\n");
            assert_eq!(parse(&text), (text.clone(), None));
        }
    }

    #[test]
    fn the_error_says_why_a_file_is_not_a_text_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        assert_eq!(read(&path), Ok(None));
        fs::write(&path, b"A=1\nB=\xff\n").unwrap();
        assert_eq!(read(&path), Err("line 2 is not UTF-8 text".to_owned()));
        fs::write(&path, "\u{feff}A=1").unwrap();
        assert_eq!(read(&path), Ok(Some("A=1\n".to_owned())));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("missing", &path).unwrap();
        assert_eq!(read(&path), Err("is a link to a missing file".to_owned()));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(read(&path), Err("is a folder, not a file".to_owned()));
    }
}
