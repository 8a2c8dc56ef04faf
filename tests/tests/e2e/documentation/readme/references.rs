//! The commands, routes, variables, files and links that the documents name exist.

use std::collections::BTreeSet;
use std::fs;

use guestlist_tests::Process;
use serde_json::Value;

use super::{documents, read, root};

/// What a document names as code in its text, outside of blocks.
fn code(text: &str) -> Vec<String> {
    let blocks = text.split("```").step_by(2);
    blocks
        .flat_map(|text| text.split('`').skip(1).step_by(2))
        .map(|code| code.replace('\n', " "))
        .collect()
}

#[test]
fn the_commands_that_documents_name_exist() {
    let folder = tempfile::tempdir().unwrap();
    let all =
        documents().iter().flat_map(|document| code(&read(document))).collect::<BTreeSet<_>>();
    let mut count = 0;
    for named in all.iter().filter(|named| named.starts_with("guestlist ")) {
        let words: Vec<_> =
            named.split_whitespace().map(|word| word.trim_matches(['[', ']'])).collect();
        let is_command = |word: &&&str| word.starts_with(|first: char| first.is_ascii_lowercase());
        let subcommands: Vec<_> = words[1..].iter().take_while(is_command).collect();
        let mut command = Process::command("guestlist", &[], folder.path());
        let output = command.args(&subcommands).arg("--help").output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && help.contains("Usage: guestlist"), "{named}: {help}");
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.split([' ', '\n']).any(|word| word == *flag), "{named}: {flag}");
        }
        count += 1;
    }
    assert!(count >= 15, "{count} commands were found");
}

#[test]
fn the_routes_that_documents_name_exist() {
    let document: Value = serde_json::from_str(&read("app/openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let all =
        documents().iter().flat_map(|document| code(&read(document))).collect::<BTreeSet<_>>();
    let mut count = 0;
    for named in &all {
        let Some((method, address)) = named.split_once(" /") else { continue };
        if !["GET", "POST", "PATCH", "DELETE"].contains(&method) {
            continue;
        }
        let path = address.split('?').next().unwrap();
        let is_same = |template: &str| {
            let (mut a, mut b) = (template.trim_start_matches('/').split('/'), path.split('/'));
            let fits = a.by_ref().zip(b.by_ref()).all(|(a, b)| a == b || a.starts_with('{'));
            fits && template.matches('/').count() == path.matches('/').count() + 1
        };
        let is_there = |(template, operations): (&String, &Value)| {
            is_same(template) && operations.get(method.to_lowercase()).is_some()
        };
        assert!(paths.iter().any(is_there), "{named}");
        count += 1;
    }
    assert!(count > 20, "{count} routes were found");
}

#[test]
fn the_page_on_configuration_names_every_variable() {
    let example = read(".env.example");
    let known = example.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let known: BTreeSet<_> =
        known.map(|(name, _)| name).filter(|name| !name.contains(' ')).collect();
    let page = read("docs/configure.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let named =
        rows.flat_map(|row| row[1..].split('|').next().unwrap().split('`').skip(1).step_by(2));
    assert_eq!(named.collect::<BTreeSet<_>>(), known);
}

#[test]
fn the_links_of_documents_lead_somewhere() {
    let more = ["ARCHITECTURE.md", "CONTRIBUTING.md"].map(str::to_owned);
    for document in documents().into_iter().chain(more) {
        let text = read(&document);
        let folder = root().join(&document).parent().unwrap().to_owned();
        for target in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if target.starts_with("http") {
                continue;
            }
            let (file, section) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { root().join(&document) } else { folder.join(file) };
            assert!(path.exists(), "{document} links to {target}");
            if !section.is_empty() {
                let page = fs::read_to_string(path).unwrap();
                let headings = page.lines().filter(|line| line.starts_with('#'));
                let mut anchors = headings.map(anchor);
                assert!(anchors.any(|anchor| anchor == section), "{document} links to {target}");
            }
        }
    }
}

#[test]
fn the_files_that_the_architecture_names_exist() {
    let named = code(&read("ARCHITECTURE.md"));
    let files = named.iter().filter(|code| code.contains('/') && !code.contains([' ', '*']));
    let missing: Vec<_> = files.filter(|file| !root().join(file).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The anchor that GitHub gives to a heading.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -".contains(*c))
        .collect::<String>()
        .replace(' ', "-")
}
