//! The core is pure: time, randomness and the order of iteration come from outside.

mod source;

use source::{is_part_of_a_word, sources, tight};

/// Returns whether the name is in the code as a whole word.
fn has_name(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        !code[..at].ends_with(is_part_of_a_word)
            && !code[at + name.len()..].starts_with(is_part_of_a_word)
    })
}

/// Finds code that could make the same log lead to other actions.
fn impurities(text: &str) -> Vec<&'static str> {
    let code = tight(text);
    let names = ["std", "Instant", "SystemTime", "thread", "rand", "getrandom", "RandomState"];
    names.into_iter().filter(|name| has_name(&code, name)).collect()
}

/// Fields that are hash maps or sets.
fn hashed_fields(text: &str) -> Vec<String> {
    let code = tight(text);
    let declarations = ["HashMap<", "HashSet<", "HashTable<"]
        .into_iter()
        .flat_map(|kind| code.match_indices(kind));
    let field = |(at, _)| {
        let before = code[..at].trim_end_matches("Box<").trim_end_matches("Option<");
        let before = before.strip_suffix(':')?;
        before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_owned)
    };
    declarations.filter_map(field).collect()
}

/// Finds iterations over one of these fields, whose order could show.
fn walks(text: &str, fields: &[String]) -> Vec<String> {
    let code = tight(text);
    let methods =
        ["iter", "iter_mut", "keys", "values", "values_mut", "drain", "retain", "extract_if"];
    let owning = ["into_iter", "into_keys", "into_values"];
    let mut found = Vec::new();
    for field in fields {
        for method in methods.into_iter().chain(owning) {
            found.push(format!(".{field}.{method}("));
        }
        // for … in &mut self.field {
        found.push(format!(".{field}{{"));
    }
    found.retain(|walk| code.contains(walk.as_str()));
    found
}

#[test]
fn core_reads_no_clock() {
    for (path, text) in sources() {
        let found = impurities(&text);
        assert!(found.is_empty(), "{} uses {found:?}", path.display());
    }
}

#[test]
fn core_iterates_no_hash_map() {
    let sources = sources();
    let mut fields: Vec<_> = sources.iter().flat_map(|(_, text)| hashed_fields(text)).collect();
    fields.sort();
    fields.dedup();
    // Messages are found `by_id`, and a room counts its `many` users.
    assert_eq!(fields, ["by_id", "many"], "another one: is its order hidden, too?");
    for (path, text) in &sources {
        let mut found = walks(text, &fields);
        // Iterations here make a list that is sorted where it is used.
        let sorted = path.ends_with("hub/tables/user_counts.rs");
        found.retain(|walk| !(sorted && walk == ".many.iter("));
        assert!(found.is_empty(), "{} goes through {found:?}", path.display());
    }
}

#[test]
fn core_is_no_std_and_has_no_unsafe_code() {
    let (_, text) =
        sources().into_iter().find(|(path, _)| path.ends_with("src/lib.rs")).expect("lib.rs");
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    for attribute in ["#![no_std]", "#![forbid(unsafe_code)]"] {
        assert!(lines.contains(&attribute), "{attribute}");
    }
}

/// A scan that never finds anything would be useless.
#[test]
fn the_scan_finds_what_it_looks_for() {
    assert_eq!(impurities("let now = std::time::Instant::now();"), ["std", "Instant"]);
    assert_eq!(impurities("#![no_std]\n// std::thread\nlet random = operand;"), [""; 0]);
    let text =
        "struct A { names: HashMap<K, V>, seen: Option<Box<HashSet<K>>>, x: Vec<HashMap<K, V>> }";
    assert_eq!(hashed_fields(text), ["names", "seen"]);
    let fields = ["names".to_owned()];
    for walk in [
        "self.names.iter().next()",
        "self.names\n    .values()",
        "for (k, v) in &mut self.names {}",
        "self.rooms.names.into_iter()",
    ] {
        assert_eq!(walks(walk, &fields).len(), 1, "{walk}");
    }
    for fine in ["self.names.get(k)", "self.usernames.iter()", "for name in names {}"] {
        assert_eq!(walks(fine, &fields), [""; 0], "{fine}");
    }
}
