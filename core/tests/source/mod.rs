//! The source of the core as text, for tests that inspect it.
#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod modules;

use std::fs;
use std::path::{Path, PathBuf};

/// Every source file of the core, with its text.
pub(crate) fn sources() -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("text");
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    collect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
    assert!(found.len() > 20, "the scan finds the sources");
    found
}

pub(crate) fn is_part_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the code without comments and without spaces, except for those between words.
pub(crate) fn tight(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let mut tight = String::new();
    for word in lines.flat_map(str::split_whitespace) {
        if tight.ends_with(is_part_of_a_word) && word.starts_with(is_part_of_a_word) {
            tight.push(' ');
        }
        tight.push_str(word);
    }
    tight
}

/// Returns the word at the start of the code, which may be empty.
pub(crate) fn word(code: &str) -> &str {
    &code[..code.find(|c| !is_part_of_a_word(c)).unwrap_or(code.len())]
}

/// Returns the text between the bracket at the start of the code and its closing bracket.
pub(crate) fn bracketed(code: &str) -> &str {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &code[1..at];
        }
    }
    panic!("a bracket is not closed: {}", &code[..code.len().min(80)]);
}

/// Splits at commas that are not in brackets.
pub(crate) fn parts(list: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' | '(' | '[' | '<' => depth += 1,
            '}' | ')' | ']' | '>' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

/// Finds this in the code, but not as the end of a longer word.
pub(crate) fn places<'a>(code: &'a str, what: &'a str) -> impl Iterator<Item = usize> + 'a {
    let begins = |at: &usize| {
        let before = &code[..*at];
        !before.ends_with(is_part_of_a_word) && !before.ends_with("::")
    };
    code.match_indices(what).map(|(at, _)| at).filter(begins)
}

/// Returns the blocks of code that begin like this, such as `impl Hub{`.
pub(crate) fn blocks<'a>(code: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    places(code, start).map(move |at| bracketed(&code[at + start.len() - 1..]))
}

/// Returns the methods of a block, each with its signature and its body.
pub(crate) fn methods_in(mut block: &str) -> Vec<(&str, &str, &str)> {
    let mut found = Vec::new();
    while let Some(at) = places(block, "fn ").next() {
        block = &block[at + "fn ".len()..];
        let (name, opens) = (word(block), block.find('{').expect("a body"));
        let body = bracketed(&block[opens..]);
        found.push((name, &block[..opens], body));
        block = &block[opens + body.len() + 2..];
    }
    found
}
