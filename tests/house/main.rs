//! The rules of the house that no compiler checks: which way dependencies point, and how files look.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod routes;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What each package of this workspace may depend on, tests aside (DESIGN, "Layout").
const MAY_USE: [(&str, &[&str]); 13] = [
    ("postrider-domain", &[]),
    ("postrider-application", &["postrider-domain"]),
    ("postrider-outbound", &["postrider-application"]),
    ("postrider-channels", &["postrider-domain", "postrider-application"]),
    ("postrider-embedded", &["postrider-domain", "postrider-application"]),
    ("postrider-http-api", &["postrider-domain", "postrider-application"]),
    ("postrider-aws", &["postrider-domain", "postrider-application"]),
    ("postrider-lambda-kit", &["postrider-application", "postrider-aws", "postrider-http-api"]),
    ("postrider-testkit", &["postrider-domain", "postrider-application"]),
    (
        "postrider",
        &[
            "postrider-domain",
            "postrider-application",
            "postrider-outbound",
            "postrider-channels",
            "postrider-embedded",
            "postrider-http-api",
        ],
    ),
    ("postrider-tests", &[]),
    (
        "postrider-cost",
        &[
            "postrider-domain",
            "postrider-application",
            "postrider-channels",
            "postrider-embedded",
            "postrider-testkit",
        ],
    ),
    (
        "postrider-simulation",
        &["postrider-domain", "postrider-application", "postrider-embedded", "postrider-testkit"],
    ),
];

/// What a function may depend on: whatever it wires, but no stack for one process.
const A_FUNCTION_MAY_USE: &[&str] = &[
    "postrider-domain",
    "postrider-application",
    "postrider-outbound",
    "postrider-channels",
    "postrider-http-api",
    "postrider-lambda-kit",
];

/// What the rules must not know of: waiting, HTTP, storage, the system.
const NOT_IN_DOMAIN: [&str; 6] = ["tokio", "axum", "reqwest", "http", "rusqlite", "dynoxide-rs"];

/// What the use cases must not know of.
const NOT_IN_APPLICATION: [&str; 4] = ["axum", "reqwest", "rusqlite", "dynoxide-rs"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Each package's dependencies, those for tests and builds aside.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(metadata).current_dir(root()).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let normal = dependencies.filter(|dependency| dependency["kind"].is_null());
        normal.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (package["name"].as_str().unwrap().to_owned(), names(package))).collect()
}

#[test]
fn dependencies_point_one_way() {
    let dependencies = dependencies();
    let rules = BTreeMap::from(MAY_USE);
    for (package, used) in &dependencies {
        let is_function = |name: &str| root().join("functions").join(name).exists();
        let allowed = match rules.get(package.as_str()) {
            Some(allowed) => allowed,
            None if package.strip_prefix("postrider-").is_some_and(is_function) => &A_FUNCTION_MAY_USE,
            None => panic!("{package}: add it to MAY_USE"),
        };
        for used in used.iter().filter(|used| dependencies.contains_key(*used)) {
            assert!(allowed.contains(&used.as_str()), "{package} may not depend on {used}");
        }
    }
}

#[test]
fn the_inner_packages_know_nothing_of_the_outside() {
    let dependencies = dependencies();
    for (package, banned) in
        [("postrider-domain", &NOT_IN_DOMAIN[..]), ("postrider-application", &NOT_IN_APPLICATION[..])]
    {
        for banned in banned {
            assert!(!dependencies[package].contains(*banned), "{package} may not depend on {banned}");
        }
    }
    for (package, used) in &dependencies {
        let aws = used.iter().find(|used| used.starts_with("aws-"));
        assert!(aws.is_none() || package == "postrider-aws", "{package} may not depend on {aws:?}");
    }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && name != "node_modules" && !name.starts_with('.') {
            rust_files(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_is_not_too_long() {
    let mut files = Vec::new();
    rust_files(&root(), &mut files);
    assert!(files.len() > 50);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let shown = file.strip_prefix(root()).unwrap().display().to_string();
        // A file of tests needs no other introduction than the file it is beside.
        assert!(text.starts_with("//!") || shown.contains("tests"), "{shown} does not begin with //!");
        assert!(text.lines().count() <= 500, "{shown} has more than 500 lines: split it by responsibility");
    }
}
