//! What `docs/operations.md` shows about certificates works as it stands there.

use std::process::Command;

use crate::house::process::{Place, Sidegate};
use crate::status::{localhost, tell};

#[tokio::test]
async fn every_command_of_the_page_runs() {
    let page = include_str!("../../docs/operations.md");
    let (_, rest) = page.split_once("## Health of certificates").expect("the section");
    let (section, _) = rest.split_once("\n## ").expect("the next section");
    let blocks = section.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let lines: Vec<&str> = blocks.flat_map(str::lines).collect();
    assert!(lines.len() > 10, "{lines:?}");

    let place = Place::new();
    let config = localhost(&place);
    let sidegate = Sidegate::serve(&config).await;
    sidegate.logged(&["serving", "item="]).await;
    let first = tell(&config, &["status", "--json"]).json()["certificates"][0]["item"].clone();
    let first = first.as_str().expect("an item");
    for line in lines {
        let line = line.replace("example.com", "localhost").replace("ITEM", first);
        match line.strip_prefix("sidegate ") {
            Some(words) => {
                let told = tell(&config, &words.split(' ').collect::<Vec<_>>());
                let not_due = told.code == Some(1) && told.err.contains("not due");
                assert!(told.code == Some(0) || not_due, "{line}: {:?} {}", told.code, told.err);
            }
            None => {
                let line = line.replace("/var/lib/sidegate", place.storage().to_str().expect("text"));
                let out = Command::new("sh").args(["-c", &line]).output().expect("a shell");
                let text = String::from_utf8(out.stdout).expect("text");
                assert!(out.status.success() && text.contains("\"version\":1"), "{line}: {text}");
            }
        }
    }
    sidegate.stop().await;
}
