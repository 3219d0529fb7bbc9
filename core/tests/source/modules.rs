//! Modules, and the names that each uses of others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use super::{bracketed, parts, places, sources, tight, word};

/// The code of every module by its path, such as `hub::tables::room`; that of `lib.rs` by an empty
/// one.
pub(crate) type Modules = BTreeMap<String, String>;

/// Returns the code without comments, and without the unit tests at its end.
pub(crate) fn code_of(text: &str) -> String {
    let code = tight(text);
    let tests = code.find("]mod tests{").and_then(|end| code[..end].rfind("#[cfg("));
    code[..tests.unwrap_or(code.len())].to_owned()
}

pub(crate) fn module_of(path: &Path) -> String {
    let path = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).expect("a source");
    let path = path.to_str().expect("text").trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { String::new() } else { path.replace('/', "::") }
}

pub(crate) fn modules() -> Modules {
    sources().iter().map(|(path, text)| (module_of(path), code_of(text))).collect()
}

/// Returns the path at the start of the code; several, if it ends in a list.
fn paths(code: &str) -> Vec<Vec<&str>> {
    if code.starts_with('{') {
        return parts(bracketed(code)).into_iter().flat_map(paths).collect();
    }
    let first = word(code);
    match code[first.len()..].strip_prefix("::") {
        Some(rest) => {
            let rests = paths(rest).into_iter();
            rests.map(|rest| [vec![first], rest].concat()).collect()
        }
        None => vec![vec![first]],
    }
}

/// Finds the modules inside the file of another.
fn inline_modules(code: &str) -> impl Iterator<Item = Range<usize>> {
    places(code, "mod ").filter_map(|at| {
        let start = at + "mod ".len() + word(&code[at + "mod ".len()..]).len();
        code[start..].starts_with('{').then(|| start..start + bracketed(&code[start..]).len())
    })
}

/// Returns what a module uses of other modules: the module and the item.
pub(crate) fn imports(modules: &Modules, module: &str) -> BTreeSet<(String, String)> {
    let code = &modules[module];
    let children = modules.keys().filter_map(|other| {
        let (parent, name) = other.rsplit_once("::").unwrap_or(("", other));
        (parent == module && !name.is_empty()).then_some(name)
    });
    let starts = children.chain(["crate", "super"]).map(|start| format!("{start}::"));
    let mut found = BTreeSet::new();
    for start in starts.collect::<Vec<_>>() {
        let named = places(code, &start).flat_map(|at| {
            let inside = inline_modules(code).filter(move |inner| inner.contains(&at));
            let module = inside.fold(module.to_owned(), |module, _| module + "::inline");
            paths(&code[at..]).into_iter().map(move |path| (module.clone(), path))
        });
        for (here, path) in named {
            let mut at = if path[0] == "crate" { String::new() } else { here };
            let mut rest = &path[usize::from(path[0] == "crate")..];
            while let [first, others @ ..] = rest {
                let below =
                    if at.is_empty() { (*first).to_owned() } else { format!("{at}::{first}") };
                if *first == "super" {
                    at = at.rsplit_once("::").map_or("", |(parent, _)| parent).to_owned();
                } else if modules.contains_key(&below) {
                    at = below;
                } else {
                    break;
                }
                rest = others;
            }
            if at != module && !at.ends_with("::inline") {
                found.insert((at, rest.first().copied().unwrap_or_default().to_owned()));
            }
        }
    }
    found
}
