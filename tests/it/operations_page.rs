//! What `docs/operations.md` shows about certificates, and all of `docs/answers.md`, works as it stands there.

use std::path::Path;
use std::process::Command;

use crate::house::process::{Place, Sidegate};
use crate::status::{localhost, tell};

/// The lines of a text's shell examples.
fn lines(text: &str) -> Vec<&str> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    blocks.flat_map(str::lines).collect()
}

/// Runs each line beside a process that has issued twice, with names and places of this test. What a shell says has to
/// hold `said`.
async fn run(lines: &[&str], said: &str) {
    let place = Place::new();
    let config = localhost(&place);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;
    let first = tell(&config, &["status", "--json"]).json()["certificates"][0]["item"].clone();
    let first = first.as_str().expect("an item");
    let renewed = tell(&config, &["renew", "localhost", "--force"]);
    assert_eq!(renewed.code, Some(0), "{}", renewed.err);
    let beside = |name: &str| -> String {
        let path = place.storage().parent().map(Path::to_owned).unwrap_or_default().join(name);
        path.to_str().expect("text").to_owned()
    };
    for line in lines {
        let line = line
            .replace("/var/lib/sidegate", place.storage().to_str().expect("text"))
            .replace("/var/backups/", &beside(""))
            .replace("/etc/ssl/example.com", &beside("exported"))
            .replace("example.com", "localhost")
            .replace("ITEM", first);
        match line.strip_prefix("sidegate ") {
            Some(words) => {
                let told = tell(&config, &words.split(' ').collect::<Vec<_>>());
                let not_due = told.code == Some(1) && told.err.contains("not due");
                assert!(told.code == Some(0) || not_due, "{line}: {:?} {}{}", told.code, told.out, told.err);
            }
            None => {
                let out = Command::new("sh").args(["-c", &line]).output().expect("a shell");
                let text = String::from_utf8(out.stdout).expect("text");
                assert!(out.status.success() && text.contains(said), "{line}: {text}");
            }
        }
    }
    sidegate.stop().await;
}

#[tokio::test]
async fn every_command_about_certificates_runs() {
    let page = include_str!("../../docs/operations.md");
    let (_, rest) = page.split_once("## Health of certificates").expect("the section");
    let (section, _) = rest.split_once("\n## When the clock is wrong").expect("what is about something else");
    let lines = lines(section);
    assert!(lines.len() > 10, "{lines:?}");
    run(&lines, "\"version\":1").await;
}

#[tokio::test]
async fn every_answer_has_a_command_that_runs() {
    let page = include_str!("../../docs/answers.md");
    let answers: Vec<&str> = page.split("\n## ").skip(1).collect();
    assert_eq!(answers.len(), 15);
    for answer in &answers {
        assert!(!lines(answer).is_empty(), "nothing shows this: {answer}");
    }
    run(&lines(page), "").await;
}
