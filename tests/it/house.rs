//! The house keeps its order: no circle of imports between the rooms of `src` or between the files of a room, no
//! import that a room must never have, no room that outgrows the others.
//!
//! A room is a module at the root, a folder or a file. Read are the paths `crate::…` and `super::…` of all code but
//! tests and comments; a folder within a room counts as its file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Imports = BTreeMap<String, BTreeSet<String>>;

/// Who must never import whom. The ground of laws and cells does not know how they are found, finding does not know
/// of passes, and nothing but the root knows that there are saved forms.
const NEVER: [(&str, &[&str]); 11] = [
    ("mixture", &["cells", "search", "learner", "questions"]),
    ("search", &["passes", "coordinates"]),
    ("coordinates", &["levels", "report", "learner", "questions"]),
    ("clusters", &["cells", "search", "polynomial", "passes", "levels", "report", "learner"]),
    ("questions", &["clusters", "cells", "search", "polynomial", "passes", "levels", "report", "learner"]),
    (
        "columns",
        &["mixture", "cells", "search", "coordinates", "questions", "passes", "levels", "report", "learner"],
    ),
    ("learner", &["columns", "tables"]),
    ("rows", &["coordinates"]),
    ("imperfect", &["coordinates", "search", "questions", "passes", "levels", "report", "learner"]),
    ("levels", &["learner"]),
    ("", &["saved"]),
];

/// Imports of files of a room that are still to go.
const FILES_NOT_YET: [(&str, &str, &str); 1] = [("search", "in_sample", "gaussian_partitioner")];

/// A room has at most one part in so many of all lines.
const SHARE: usize = 5;

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All files of Rust in a folder, whatever their depth.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Room and file of a path in `src`: `mixture/noised/few_axes.rs` is `noised` of `mixture`.
fn place(path: &Path) -> (String, String) {
    let parts: Vec<String> = path
        .strip_prefix(src())
        .unwrap()
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    (parts[0].clone(), parts.get(1).cloned().unwrap_or_else(|| "mod".into()))
}

/// The code of a file without comments, tests and what is imported for documentation.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let is_code =
        |i: &usize| !lines[*i].trim_start().starts_with("//") && (*i == 0 || lines[i - 1] != "#[cfg(doc)]");
    (0..lines.len()).filter(is_code).map(|i| lines[i]).collect::<Vec<_>>().join("\n")
}

/// Non-test files with their code.
fn sources() -> Vec<(PathBuf, String)> {
    let is_test = |path: &PathBuf| path.file_name().unwrap() == "tests.rs" || path.ends_with("testing.rs");
    let with_code = |path: PathBuf| {
        let code = code(&path);
        (path, code)
    };
    files(&src()).into_iter().filter(|path| !is_test(path)).map(with_code).collect()
}

/// The items of the list in braces that `text` begins with, where lists within it stay whole, or else `text` alone.
fn items(text: &str) -> Vec<&str> {
    let Some(list) = text.strip_prefix('{') else { return vec![text] };
    let (mut found, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, c) in list.char_indices() {
        if depth == 0 && (c == ',' || c == '}') {
            found.push(list[from..at].trim());
            from = at + 1;
        }
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            _ => {}
        }
    }
    found.retain(|item| !item.is_empty());
    found
}

/// What follows `prefix` in `code`: each name right behind it, and every name that a path or a list in braces goes on
/// with.
fn named(code: &str, prefix: &str) -> Vec<(String, Vec<String>)> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let first = |path: &str| path[..path.find(|c| !is_name(c)).unwrap_or(path.len())].to_owned();
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        // Not the end of a longer path or name.
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| is_name(c) || c == ':') {
            continue;
        }
        for path in items(&code[at + prefix.len()..]) {
            let name = first(path);
            let tail = path[name.len()..].strip_prefix("::").unwrap_or("");
            let names = items(tail).into_iter().map(first).filter(|name| !name.is_empty()).collect();
            found.push((name, names));
        }
    }
    found
}

/// Which rooms import which.
fn rooms() -> Imports {
    let sources = sources();
    let names: BTreeSet<String> = sources.iter().map(|(path, _)| place(path).0).collect();
    let mut imports = Imports::new();
    for (path, code) in &sources {
        let (room, _) = place(path);
        let of = named(code, "crate::").into_iter().map(|(first, _)| first);
        let others = of.filter(|other| names.contains(other) && *other != room);
        imports.entry(room.clone()).or_default().extend(others.collect::<Vec<_>>());
    }
    imports.remove("lib");
    imports
}

/// Which files of a room import which; names that the room re-exports count for the file that has them.
fn files_of(room: &str) -> Imports {
    let sources: Vec<_> = sources().into_iter().filter(|(path, _)| place(path).0 == room).collect();
    let names: BTreeSet<String> = sources.iter().map(|(path, _)| place(path).1).collect();
    let mut home: BTreeMap<String, String> = BTreeMap::new();
    for (path, code) in sources.iter().filter(|(path, _)| path.ends_with(format!("{room}/mod.rs"))) {
        assert_eq!(place(path).1, "mod");
        for (file, items) in ["pub use ", "pub(crate) use "].iter().flat_map(|export| named(code, export)) {
            home.extend(items.into_iter().map(|item| (item, file.clone())));
        }
    }
    let mut imports = Imports::new();
    for (path, code) in &sources {
        let file = place(path).1;
        // Within a folder of a room `super` is the file that stands for the folder.
        let depth = path.strip_prefix(src()).unwrap().iter().count();
        let is_inner = depth > 2 && path.file_name().unwrap() != "mod.rs";
        let mut targets = named(code, if is_inner { "super::super::" } else { "super::" });
        targets.extend(named(code, &format!("crate::{room}::")));
        let found = targets.into_iter().filter_map(|(first, _)| {
            if names.contains(&first) { Some(first) } else { home.get(&first).cloned() }
        });
        let others: Vec<String> = found.filter(|other| *other != file && file != "mod").collect();
        imports.entry(file).or_default().extend(others);
    }
    imports
}

/// A circle of imports, if there is one.
fn circle(imports: &Imports) -> Option<Vec<String>> {
    fn visit<'a>(
        at: &'a str,
        imports: &'a Imports,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> bool {
        if let Some(start) = way.iter().position(|name| *name == at) {
            way.drain(..start);
            return true;
        }
        if !done.contains(at) {
            way.push(at);
            if imports.get(at).into_iter().flatten().any(|next| visit(next, imports, way, done)) {
                return true;
            }
            way.pop();
            done.insert(at);
        }
        false
    }
    let mut done = BTreeSet::new();
    imports.keys().find_map(|start| {
        let mut way = Vec::new();
        visit(start, imports, &mut way, &mut done).then(|| way.into_iter().map(str::to_owned).collect())
    })
}

#[test]
fn rooms_do_not_import_each_other_in_a_circle() {
    assert_eq!(circle(&rooms()), None);
}

#[test]
fn files_of_a_room_do_not_import_each_other_in_a_circle() {
    for room in rooms().keys() {
        let mut files = files_of(room);
        for (_, file, other) in FILES_NOT_YET.iter().filter(|(of, ..)| of == room) {
            let removed = files.get_mut(*file).is_some_and(|imports| imports.remove(*other));
            assert!(removed, "{room}: {file} no longer imports {other}: take it off the list");
        }
        assert_eq!(circle(&files), None, "{room}");
    }
}

#[test]
fn rooms_import_nothing_that_they_never_should() {
    for (room, imports) in rooms() {
        for (_, never) in NEVER.iter().filter(|(of, _)| of.is_empty() || *of == room) {
            for other in *never {
                assert!(!imports.contains(*other), "{room} must never import {other}");
            }
        }
    }
}

#[test]
fn no_room_outgrows_the_others() {
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for path in files(&src()) {
        *lines.entry(place(&path).0).or_default() += fs::read_to_string(&path).unwrap().lines().count();
    }
    let total: usize = lines.values().sum();
    for (room, lines) in lines {
        assert!(lines * SHARE <= total, "{room} has {lines} of {total} lines");
    }
}
