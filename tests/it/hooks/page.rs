use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::house::process::{Place, Sidegate};
use crate::house::program;
use crate::house::tool::ran;
use crate::status::tell;

/// The block of the page that begins like this.
fn block<'a>(page: &'a str, fence: &str, first: &str) -> &'a str {
    let mut blocks = page.split(fence).skip(1).filter_map(|block| block.split("```").next());
    blocks.find(|block| block.starts_with(first)).expect("it is shown")
}

#[tokio::test]
async fn the_example_of_the_page_gives_a_certificate_to_another_program() {
    let page = include_str!("../../../docs/hooks.md");
    let place = Place::new();
    let executable = |name: &str, text: &str| {
        let path = place.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        program::write(&path, text);
        path
    };
    let text = |path: std::path::PathBuf| path.to_str().expect("text").to_owned();
    let (elsewhere, reloaded) = (text(place.path("tls")), text(place.path("reloaded")));
    fs::create_dir(&elsewhere).expect("made");
    let script = block(page, "```sh\n", "#!/bin/sh").replace("/etc/postfix/tls", &elsewhere);
    let hook = executable("hook", &script.replace("mail.example.com", "localhost"));
    executable("bin/postfix", &format!("#!/bin/sh\necho $1 >> {reloaded}\n"));
    let table = block(page, "```toml\n", "[hooks]").replace("/etc/sidegate/hooks/postfix", &text(hook));
    let config = place.configure("", &format!("[[site]]\ndomains = [\"localhost\"]\nto = 3000\n{table}"));

    let path = format!("{}:{}", place.path("bin").display(), std::env::var("PATH").expect("a path"));
    let words = ["serve", "-c", config.to_str().expect("text")];
    let sidegate = Sidegate::start_with(&words, &[("PATH", &path)]);
    sidegate.logged(&["the hook was told", "hook=issued"]).await;
    let given = || fs::read_to_string(place.path("tls/mail.pem")).expect("it was given");
    let first = given();
    assert_eq!(tell(&config, &["renew", "localhost", "--force"]).code, Some(0));
    sidegate.logged(&["the hook was told", "hook=renewed"]).await;
    sidegate.stop().await;
    assert_ne!(given(), first);
    assert_eq!(fs::read_to_string(reloaded).expect("reloaded"), "reload\nreload\n");
    let newest = place.storage().join("database/latest-by-fqdn/localhost");
    let file = |name| fs::read_to_string(newest.join(name)).expect("a file");
    assert_eq!(given(), file("key.pem") + &file("crt+chain.pem"));
    let mode = fs::metadata(place.path("tls/mail.pem")).expect("given").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn every_event_and_every_variable_is_on_the_page() {
    let page = include_str!("../../../docs/hooks.md");
    for occasion in sidegate::hooks::Occasion::ALL {
        assert!(page.contains(&format!("\n| `{occasion}` | ")), "{occasion}");
    }
    let listed: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `SIDEGATE_")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    let known = sidegate::hooks::Options::VARIABLES.iter().map(|name| name.trim_start_matches("SIDEGATE_"));
    let mut known: Vec<&str> = known.collect();
    let mut sorted = listed.clone();
    sorted.sort_unstable();
    known.sort_unstable();
    assert_eq!(sorted, known);
    let shell = ran(std::process::Command::new("sh").args(["-n", "-c", block(page, "```sh\n", "#!/bin/sh")]));
    assert_eq!(shell.code, Some(0), "{}", shell.err);
}
