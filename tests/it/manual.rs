//! The commands that the manual shows are commands that there are.

use std::ffi::OsString;
use std::path::Path;

/// Every line of a page's shell examples that calls sidegate, up to a pipe, a redirection or `&&`.
fn commands(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = std::fs::read_to_string(path).expect("a page");
    let mut shell = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            shell = line == "```sh";
        } else if shell && line.starts_with("sidegate ") {
            let end = line.find(['|', '>', '&', '#']).unwrap_or(line.len());
            commands.push(line[..end].trim().to_owned());
        }
    }
    commands
}

fn are_understood(commands: &[String], verbs: &[&str]) {
    for verb in verbs {
        let shown = |command: &&String| command.starts_with(&format!("sidegate {verb} "));
        let shown: Vec<&String> = commands.iter().filter(shown).collect();
        assert!(!shown.is_empty(), "{verb} is not shown");
        for command in shown {
            let words = command.split_whitespace().map(OsString::from);
            sidegate::cli::parse(words).unwrap_or_else(|instead| panic!("{command}: {}", instead.text));
        }
    }
}

#[test]
fn what_the_pages_show_is_understood() {
    are_understood(&commands("moving.md"), &["backup", "restore", "import", "export"]);
    are_understood(&commands("operations.md"), &["prune"]);
    are_understood(&commands("store.md"), &["serve"]);
}
