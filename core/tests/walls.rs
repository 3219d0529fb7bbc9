//! The module boundaries inside the core: there is no cycle among its modules, nor among the files
//! of the hub, and a file of the hub changes only what its first lines name.
//!
//! All rules share [`Hub`], so `use super::Hub` is not a dependency on the file that declares it.
//! Anything else that `hub/mod.rs` might declare would be one.

mod source;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use source::modules::{Modules, code_of, imports, module_of, modules};
use source::{blocks, bracketed, is_part_of_a_word, methods_in, parts, places, sources, word};

/// The hub's tables, each with the number of files that change it and the number that look at it or
/// change it. Keep these numbers small: a rule that needs something from a table often fits into a
/// file that uses it already.
const REACHED: [(&str, usize, usize); 20] = [
    ("config", 0, 19),
    ("classes", 0, 2),
    ("now", 1, 17),
    ("wall_clock", 1, 3),
    ("random", 4, 4),
    ("connections", 15, 21),
    ("users", 7, 12),
    ("networks", 1, 3),
    ("absent", 1, 3),
    ("rooms", 8, 14),
    ("deadlines", 12, 15),
    ("probes", 1, 3),
    ("requests", 1, 3),
    ("next_question", 1, 2),
    ("content", 0, 1),
    ("payloads", 1, 2),
    ("drain", 2, 7),
    ("stats", 12, 14),
    ("queue", 8, 9),
    ("overflowed", 2, 3),
];

/// Methods of collections and of `Option` that change what they are called on.
#[rustfmt::skip]
const CHANGING: [&str; 22] = [
    "append", "as_deref_mut", "as_mut", "clear", "drain", "entry", "extend", "first_mut",
    "get_mut", "get_or_insert_with", "insert", "iter_mut", "last_mut", "pop", "pop_first",
    "push", "remove", "replace", "retain", "swap_remove", "take", "truncate",
];

/// A dependency from one file on another, and the reason.
type Graph = BTreeMap<String, BTreeMap<String, String>>;

struct Method {
    file: String,
    body: String,
}

fn is_of_the_hub(module: &str) -> bool {
    module == "hub" || module.starts_with("hub::")
}

/// Returns which file of the hub imports which.
fn graph_of_imports(modules: &Modules) -> Graph {
    let mut graph = Graph::new();
    for module in modules.keys().filter(|module| is_of_the_hub(module)) {
        let edges = graph.entry(module.clone()).or_default();
        for (other, item) in imports(modules, module) {
            if is_of_the_hub(&other) && (other.as_str(), item.as_str()) != ("hub", "Hub") {
                let why =
                    if item.is_empty() { "imports it".into() } else { format!("imports {item}") };
                edges.entry(other).or_insert(why);
            }
        }
    }
    graph
}

/// Returns which top-level module of the core imports which.
fn graph_of_the_top(modules: &Modules) -> Graph {
    let top = |module: &str| module.split("::").next().unwrap_or_default().to_owned();
    let mut graph = Graph::new();
    for module in modules.keys().filter(|module| !module.is_empty()) {
        let edges = graph.entry(top(module)).or_default();
        for (other, item) in imports(modules, module) {
            if top(&other) != top(module) {
                edges
                    .entry(top(&other))
                    .or_insert_with(|| format!("{module} imports {other}::{item}"));
            }
        }
    }
    graph
}

/// Returns the methods of the hub by name. There is one hub, so no two of them share a name.
fn methods(modules: &Modules) -> BTreeMap<String, Method> {
    let mut methods = BTreeMap::new();
    for (file, code) in modules.iter().filter(|(module, _)| is_of_the_hub(module)) {
        for (name, _, body) in blocks(code, "impl Hub{").flat_map(methods_in) {
            let method = Method { file: file.clone(), body: body.into() };
            let other = methods.insert(name.to_owned(), method);
            assert!(other.is_none(), "there are two methods {name}");
        }
    }
    methods
}

/// Returns the methods that are called on something of this name.
fn calls<'a>(code: &'a str, on: &'a str) -> impl Iterator<Item = &'a str> {
    let after = places(code, on).map(move |at| &code[at + on.len()..]);
    after.map(word_before_a_call).filter(|name| !name.is_empty())
}

fn word_before_a_call(code: &str) -> &str {
    let name = word(code);
    let is_call = code[name.len()..].starts_with('(') || code[name.len()..].starts_with("::<");
    if is_call { name } else { "" }
}

/// Returns which file of the hub calls methods of which.
fn graph_of_calls(modules: &Modules) -> Graph {
    let methods = methods(modules);
    let mut graph = Graph::new();
    let mut add = |file: &str, caller: &str, called: &str| {
        let Some(method) = methods.get(called) else { return false };
        if method.file != file {
            let edges = graph.entry(file.to_owned()).or_default();
            edges.entry(method.file.clone()).or_insert_with(|| format!("{caller} calls {called}"));
        }
        true
    };
    for (name, Method { file, body }) in &methods {
        for called in ["self.", "Self::"].into_iter().flat_map(|on| calls(body, on)) {
            assert!(add(file, name, called), "{name} calls {called}, which the scan did not find");
        }
    }
    for (file, code) in modules.iter().filter(|(module, _)| is_of_the_hub(module)) {
        for called in calls(code, "hub.") {
            assert!(add(file, "a view", called), "{file} calls {called}, which is not found");
        }
    }
    graph
}

/// Returns the shortest path from a file back to itself, if there is one.
fn way_back<'a>(graph: &'a Graph, start: &'a String) -> Option<Vec<&'a String>> {
    let mut before = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(at) = next.pop_front() {
        for to in graph.get(at).into_iter().flat_map(BTreeMap::keys) {
            if before.contains_key(to) {
                continue;
            }
            before.insert(to, at);
            next.push_back(to);
            if to == start {
                let mut way = vec![start, at];
                while way[way.len() - 1] != start {
                    way.push(before[way[way.len() - 1]]);
                }
                way.reverse();
                return Some(way);
            }
        }
    }
    None
}

/// Returns the shortest cycle, file by file and with a reason for each step.
fn cycle(graph: &Graph) -> Option<String> {
    let ways = graph.keys().filter_map(|start| way_back(graph, start));
    let way = ways.min_by_key(Vec::len)?;
    let steps = way.windows(2).map(|step| {
        let [from, to] = [step[0], step[1]];
        format!("{from} -> {to} ({})", graph[from][to])
    });
    Some(steps.collect::<Vec<_>>().join(", "))
}

fn both(mut one: Graph, other: Graph) -> Graph {
    for (from, edges) in other {
        let known = one.entry(from).or_default();
        for (to, why) in edges {
            known.entry(to).or_insert(why);
        }
    }
    one
}

/// Returns the fields of the hub, each with the name of its type.
fn fields(modules: &Modules) -> Vec<(String, String)> {
    let code = &modules["hub"];
    let block = blocks(code, "pub struct Hub{").next().expect("the hub");
    let field = |mut part: &str| {
        while part.starts_with("#[") {
            part = &part[bracketed(&part[1..]).len() + 3..];
        }
        let (name, kind) = part.split_once(':').expect("a type");
        let name = name.rsplit(|c| !is_part_of_a_word(c)).next().unwrap_or_default();
        (name.to_owned(), word(kind).to_owned())
    };
    parts(block).into_iter().map(field).collect()
}

/// Returns the methods of the core's types that change their receiver: the type, and the method.
fn changing_methods(modules: &Modules) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for code in modules.values() {
        for at in places(code, "impl ") {
            let name = word(&code[at + "impl ".len()..]);
            let start = format!("impl {name}{{");
            for (method, signature, _) in blocks(&code[at..], &start).flat_map(methods_in) {
                if signature.contains("(&mut self") {
                    found.insert((name.to_owned(), method.to_owned()));
                }
            }
        }
    }
    found
}

/// Returns whether the code changes a field that is named right before its beginning.
fn is_changed(before: &str, mut rest: &str, changes: impl Fn(usize, &str) -> bool) -> bool {
    if before.ends_with("&mut ") {
        return true;
    }
    for depth in 0.. {
        while rest.starts_with('[') {
            rest = &rest[bracketed(rest).len() + 2..];
        }
        let Some(after) = rest.strip_prefix('.') else { break };
        let name = word(after);
        rest = &after[name.len()..];
        if rest.starts_with('(') {
            return changes(depth, name);
        }
    }
    let is_assigned = rest.starts_with('=') && !rest.starts_with("==") && !rest.starts_with("=>");
    is_assigned || ["+=", "-=", "|=", "&=", "*="].iter().any(|sign| rest.starts_with(sign))
}

/// Returns the fields of the hub that each of its files looks at, and whether it changes them.
fn reached(modules: &Modules) -> BTreeMap<String, BTreeMap<String, bool>> {
    let fields: BTreeMap<_, _> = fields(modules).into_iter().collect();
    let changing = changing_methods(modules);
    let changes = |kind: &str, depth: usize, method: &str| {
        let of_the_type = changing.contains(&(kind.to_owned(), method.to_owned()));
        let known = modules.values().any(|code| code.contains(&format!("struct {kind}")));
        if depth == 0 && known { of_the_type } else { CHANGING.contains(&method) }
    };
    let mut reached = BTreeMap::new();
    for (file, code) in modules.iter().filter(|(module, _)| is_of_the_hub(module)) {
        let mut all = BTreeMap::new();
        let rules = blocks(code, "impl Hub{").map(|block| (block, "self."));
        for (block, on) in rules.chain([(code.as_str(), "hub.")]) {
            for at in places(block, on) {
                let name = word(&block[at + on.len()..]);
                let rest = &block[at + on.len() + name.len()..];
                if let Some(kind) = fields.get(name).filter(|_| !rest.starts_with('(')) {
                    let change = is_changed(&block[..at], rest, |depth, method| {
                        changes(kind, depth, method)
                    });
                    *all.entry(name.to_owned()).or_default() |= change;
                }
            }
        }
        reached.insert(file.clone(), all);
    }
    reached
}

/// Returns the fields that the first lines of a file declare as changed.
fn said(text: &str) -> Option<BTreeSet<String>> {
    let head = text.lines().map_while(|line| line.strip_prefix("//!"));
    let head = head.collect::<Vec<_>>().join("");
    let (_, list) = head.split_once("Changes: ")?;
    let (list, _) = list.split_once('.').expect("a full stop after what it changes");
    Some(list.split(", ").filter(|name| *name != "nothing").map(str::to_owned).collect())
}

#[test]
fn the_cores_modules_have_no_cycle() {
    let graph = graph_of_the_top(&modules());
    assert!(graph.len() >= 8, "the scan finds the modules: {:?}", graph.keys());
    for (module, edges) in &graph {
        let through_the_root = edges.get("");
        assert_eq!(through_the_root, None, "{module} imports through the root, not from the home");
    }
    assert_eq!(cycle(&graph), None);
}

#[test]
fn the_hubs_files_have_no_cycle_by_imports() {
    assert_eq!(cycle(&graph_of_imports(&modules())), None);
}

#[test]
fn the_hubs_files_have_no_cycle_by_calls() {
    let modules = modules();
    let count = methods(&modules).len();
    assert!((140..180).contains(&count), "there are {count} methods: does the scan find all?");
    let graph = graph_of_calls(&modules);
    assert_eq!(cycle(&graph), None);
    assert_eq!(cycle(&both(graph, graph_of_imports(&modules))), None, "by one or the other");
}

#[test]
fn tables_know_no_rules() {
    let modules = modules();
    let is_rule = |module: &str| {
        is_of_the_hub(module) && blocks(&modules[module], "impl Hub{").next().is_some()
    };
    let tables = modules.keys().filter(|module| module.starts_with("hub::tables"));
    let tables: Vec<_> = tables.collect();
    assert!(tables.len() > 12, "the scan finds the tables");
    for table in tables {
        assert!(!is_rule(table), "{table} has methods of the hub");
        for (other, item) in imports(&modules, table) {
            assert!(!is_rule(&other), "{table} imports {item} of {other}, which has rules");
        }
    }
}

#[test]
fn a_file_of_the_hub_changes_what_its_first_lines_name() {
    let modules = modules();
    let reached = reached(&modules);
    let mut wrong = String::new();
    for (path, text) in sources() {
        let file = module_of(&path);
        let has_rules =
            is_of_the_hub(&file) && blocks(&modules[&file], "impl Hub{").next().is_some();
        let said = said(&text);
        if !has_rules {
            assert_eq!(said, None, "{file} has no rules that could change something");
            continue;
        }
        let all = reached[&file].iter();
        let found: BTreeSet<_> =
            all.filter(|(_, changes)| **changes).map(|(name, _)| name.clone()).collect();
        if said.as_ref() != Some(&found) {
            let found = Vec::from_iter(found).join(", ");
            wrong += &format!("\n{file}\n//! Changes: {found}.\nand it says {said:?}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");

    let count = |name: &str, only_changes: bool| {
        let fields = reached.values().filter_map(|fields| fields.get(name));
        fields.filter(|changes| **changes || !only_changes).count()
    };
    let names = fields(&modules).into_iter().map(|(name, _)| name);
    let counted: Vec<_> =
        names.map(|name| (name.clone(), count(&name, true), count(&name, false))).collect();
    let expected = REACHED.map(|(name, changed, reached)| (name.to_owned(), changed, reached));
    assert_eq!(counted, expected, "what is found, and what REACHED says");
}

/// A scan that never finds anything would be useless.
#[test]
fn the_scan_finds_a_planted_cycle() {
    let planted = |files: &[(&str, &str)]| -> Modules {
        let all = files.iter().map(|(name, text)| ((*name).to_owned(), code_of(text)));
        all.chain([(String::new(), String::new())]).collect()
    };

    let imports = planted(&[
        ("hub", "mod a; use a::{A, b::B};\npub struct Hub {}"),
        ("hub::a", "mod b;\nuse super::{Hub, c::C};\nimpl Hub { fn f(&self) {} }"),
        ("hub::a::b", "// use super::super::c::C;\nuse crate::hub::keys::Key;"),
        ("hub::c", "use super::Hub; fn f() { let b: crate::hub::a::b::B = 1; }"),
        (
            "hub::keys",
            "#[serde(with = \"super::c::d\")] struct K;\n#[cfg(test)]\nmod tests { use super::a; }",
        ),
    ]);
    assert_eq!(
        cycle(&graph_of_imports(&imports)).as_deref(),
        Some(
            "hub::a::b -> hub::keys (imports Key), hub::keys -> hub::c (imports d), \
             hub::c -> hub::a::b (imports B)"
        )
    );

    let calls = planted(&[
        ("hub", "pub struct Hub {}\nimpl Hub { pub fn handle(&mut self) { self.one(); } }"),
        (
            "hub::a",
            "impl Hub { fn one(&self) -> usize { if true { self\n    .two() } else { 1 } } }",
        ),
        ("hub::b", "impl Hub { fn two(&self) { fine(|hub| hub.three()) } fn two_more(&self) {} }"),
        ("hub::c", "impl Hub { fn three(&self) { self.table.two(); Self::two_more(self) } }"),
    ]);
    assert_eq!(methods(&calls).len(), 5);
    assert_eq!(
        cycle(&graph_of_calls(&calls)).as_deref(),
        Some("hub::b -> hub::c (a view calls three), hub::c -> hub::b (three calls two_more)")
    );

    let top = planted(&[
        ("a", "use crate::b::c::C;"),
        ("b", "mod inner { use super::B; }"),
        ("b::c", "use super::super::a::A; use crate::C;"),
    ]);
    assert_eq!(graph_of_the_top(&top)["b"].get("").map(String::as_str), Some("b::c imports ::C"));
    assert_eq!(
        cycle(&graph_of_the_top(&top)).as_deref(),
        Some("a -> b (a imports b::c::C), b -> a (b::c imports a::A)")
    );
}

#[test]
fn the_scan_finds_what_changes() {
    let hub =
        "pub struct Hub { #[cfg_attr(a, b(c))] pub(crate) now: Time, rooms: Rooms, list: Vec<u8> }";
    let rooms = "struct Rooms; impl Rooms { fn get(&self) {} fn change(&mut self, at: u8) {} }";
    let changes = |line: &str| {
        let rule = format!("impl Hub {{ fn rule(&mut self) {{ {line} }} }}");
        let files = [("hub", hub), ("hub::tables", rooms), ("hub::rule", &rule)];
        let modules = files.iter().map(|(name, text)| ((*name).to_owned(), code_of(text)));
        let mut reached = reached(&modules.collect());
        reached.remove("hub::rule").expect("the rule")
    };
    for (line, name) in [
        ("self.now = 1;", "now"),
        ("self.rooms.change(1);", "rooms"),
        ("self.rooms\n    .change(1).other", "rooms"),
        ("self.rooms.idle.insert(1);", "rooms"),
        ("self.rooms.number[at(1)] += 1;", "rooms"),
        ("let list = &mut self.list;", "list"),
        ("if let Some(x) = self.list.iter_mut() {}", "list"),
    ] {
        assert_eq!(changes(line), BTreeMap::from([(name.to_owned(), true)]), "{line}");
    }
    for line in
        ["self.rooms.get(1);", "f(&self.rooms)", "if self.rooms == 1 {}", "self.rooms.len()"]
    {
        assert_eq!(changes(line), BTreeMap::from([("rooms".to_owned(), false)]), "{line}");
    }
    assert_eq!(changes("self.rooms(); rooms.change(1)"), BTreeMap::new());
    assert_eq!(
        said("//! A.\n//!\n//! Changes: a,\n//! b.\n"),
        Some(["a", "b"].map(str::to_owned).into())
    );
    assert_eq!(said("//! A.\n//!\n//! Changes: nothing.\n"), Some(BTreeSet::new()));
    assert_eq!(said("//! A.\nfn changes() {}"), None);
}
