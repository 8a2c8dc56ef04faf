//! The `.env` file of the current folder.

use std::fs;
use std::io;
use std::path::Path;

use super::Mistake;

const FILE: &str = ".env";

/// Loads the `.env` file of the current folder, if there is one, into the environment. Variables
/// that the environment has already, even empty ones, keep their value.
///
/// An error names a line and a variable, never a value.
pub fn read_dotenv() -> Result<(), Mistake> {
    load(Path::new(FILE)).map_err(|problem| Mistake::new(FILE, problem))
}

fn load(path: &Path) -> Result<(), String> {
    let Some(text) = read(path)? else { return Ok(()) };
    check(&text)?;
    dotenvy::from_read(text.as_bytes()).map_err(|_| "can't be read".to_owned())
}

/// The file's text, ending with a line end: without one, `dotenvy` refuses a trailing space.
fn read(path: &Path) -> Result<Option<String>, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let is_dangling = path.is_symlink();
            return if is_dangling { Err("is a link to a missing file".to_owned()) } else { Ok(None) };
        }
        Err(_) if path.is_dir() => return Err("is a folder, not a file".to_owned()),
        Err(error) => return Err(format!("can't be read: {error}")),
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line} is not UTF-8 text")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(Some(format!("{text}\n")))
}

fn check(text: &str) -> Result<(), String> {
    let broken = broken_line(text);
    if let Some((number, line)) = broken {
        let named = variable(line).map_or(String::new(), |name| format!(" ({name})"));
        return Err(format!(
            "line {number}{named} can't be read; it must be NAME=value, and a value with spaces, \
             quotes, # or $ must be in single quotes"
        ));
    }
    for (name, value) in dotenvy::from_read_iter(text.as_bytes()).flatten() {
        if value.contains('\0') {
            return Err(format!("the value of {name} contains a NUL character"));
        }
    }
    Ok(())
}

/// The first line, counted from 1, at which a statement begins that can't be parsed. A value in
/// quotes may span several lines.
fn broken_line(text: &str) -> Option<(usize, &str)> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let is_valid = |lines: &[&str]| {
        dotenvy::from_read_iter(lines.concat().as_bytes()).all(|statement| statement.is_ok())
    };
    let mut begin = 0;
    while begin < lines.len() {
        match (begin + 1..=lines.len()).find(|end| is_valid(&lines[begin..*end])) {
            Some(end) => begin = end,
            None => return Some((begin + 1, lines[begin])),
        }
    }
    None
}

/// The variable that a line sets. Only names in capitals count: of a malformed line, anything else
/// may be a part of a secret.
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
        check(&format!("{text}\n")).unwrap_err()
    }

    #[test]
    fn a_malformed_line_is_named_by_its_number_and_variable_alone() {
        for (text, begins) in [
            ("A=1\nSTYTCH_SECRET=my secret\nB=2", "line 2 (STYTCH_SECRET) can't"),
            ("A=1\r\n\r\nexport STYTCH_SECRET='it's secret\r\nB=2", "line 3 (STYTCH_SECRET) can't"),
            ("A='several\nlines'\nSECRET=\"secret\nB=2", "line 3 (SECRET) can't"),
            ("# secret\nA=1\nsecret", "line 3 can't"),
            ("A=1\nsecret=x y", "line 2 can't"),
        ] {
            let problem = problem(text);
            assert!(problem.starts_with(begins), "{text:?}: {problem}");
            assert!(!problem.contains("secret"), "{text:?}: {problem}");
        }
        assert!(problem("SECRET='sec\0ret'").ends_with("of SECRET contains a NUL character"));
    }

    #[test]
    fn files_of_other_systems_are_read() {
        for text in ["", "A=1", "A=1 ", "A=\r\nB=2\r\n", "A='x\r\ny'\r\n", "  # a comment"] {
            assert_eq!(check(&format!("{text}\n")), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_text_file_is_named() {
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
