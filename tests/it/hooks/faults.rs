use sidegate::config::{self, Env, Flags, Purpose};

use crate::config_faults::faults_of;

#[test]
fn a_hook_is_a_program_that_is_there_and_events_that_there_are() {
    for (keys, fault) in [
        (
            "",
            "1:2: hooks.command: nothing says which program is told. Accepted: a program and its first arguments",
        ),
        ("command = []", "2:11: hooks.command: the list is empty."),
        (
            "command = \"/bin/true\"",
            "2:11: hooks.command: this is a TOML string. Accepted: a list of strings",
        ),
        (
            "command = [\"/nowhere/hook\"]",
            "2:12: hooks.command: /nowhere/hook is not there. Accepted: the path of",
        ),
        ("command = [\"/etc/\"]", "2:12: hooks.command: /etc/ is a folder."),
        ("command = [\"PLAIN\"]", "2:12: hooks.command: PLAIN is not executable by this user."),
        ("command = [\"no-such-program\"]", "2:12: hooks.command: no-such-program is not in PATH."),
        (
            "command = [\"/bin/sh\"]\nevents = []",
            "3:10: hooks.events: the list is empty. Accepted: issued, renewed",
        ),
        (
            "command = [\"/bin/sh\"]\nevents = [\"renew\"]",
            "3:11: hooks.events: \"renew\" is not an event that hooks are told of. Did you mean `renewed`?",
        ),
        (
            "command = [\"/bin/sh\"]\ntimeout = \"1h\"",
            "3:11: hooks.timeout: \"1h\" is too long. Accepted: 600s at most",
        ),
        ("command = [\"/bin/sh\"]\ntimeout = \"0s\"", "3:11: hooks.timeout: \"0s\" is too short."),
        (
            "comand = [\"/bin/sh\"]\ncommand = [\"/bin/sh\"]",
            "2:1: hooks.comand: unknown key. Did you mean `command`?",
        ),
    ] {
        let plain = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let (keys, fault) = (keys.replace("PLAIN", plain), fault.replace("PLAIN", plain));
        let site = "[[site]]\ndomains = [\"example.com\"]\nto = 3000\n";
        let faults = faults_of(&format!("[hooks]\n{keys}\n{site}"));
        let [said] = &faults[..] else { panic!("{keys}: {faults:#?}") };
        assert!(said.starts_with(&fault), "{said}\nis not {fault}");
        assert!(said.contains("Accepted: "), "{said}");
    }
}

#[test]
fn what_a_hook_is_told_by_is_no_fault_where_a_hook_calls_us() {
    let faults = |variables: [(&str, &str); 3]| {
        let site = [("TLS_DOMAIN", "example.com"), ("TARGET", "3000")];
        let env = Env::of::<5>([site[0], site[1], variables[0], variables[1], variables[2]]);
        config::load(&Purpose::Direct, &Flags::default(), &env).err().map(|faults| faults.to_string())
    };
    let told = [("SIDEGATE_EVENT", "renewed"), ("SIDEGATE_ITEM", "x"), ("SIDEGATE_NAME", "example.com")];
    assert_eq!(faults(told), None);
    let told = [("SIDEGATE_HOOK", "present"), ("SIDEGATE_VALUE", "x"), ("SIDEGATE_NAME", "example.com")];
    assert_eq!(faults(told), None);
    let lone = faults([("HOME", "/"), ("SIDEGATE_ITEM", "x"), ("SIDEGATE_NAME", "example.com")]);
    let lone = lone.expect("nobody would read them");
    assert!(lone.contains("SIDEGATE_ITEM: unknown variable") && lone.contains("SIDEGATE_NAME"), "{lone}");
}
