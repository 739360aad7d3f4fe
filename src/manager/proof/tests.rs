use super::*;

/// Never asked: what it would say is handed in.
struct Mute;

#[async_trait]
impl Prover for Mute {
    async fn shown(&self, _: &Fqdn) -> Shown {
        Shown::Unseen("nobody looks".to_owned())
    }
}

fn name(number: usize) -> Name {
    Name::parse(&format!("n{number}.example")).expect("a name")
}

fn proofs() -> Proofs {
    Proofs::new(Some(Arc::new(Mute)))
}

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

#[test]
fn without_a_prover_nothing_is_kept() {
    let mut proofs = Proofs::new(None);
    proofs.swapped(&name(1));
    assert!(proofs.waiting.is_empty() && proofs.take_due(start()).is_none());
}

#[tokio::test]
async fn a_crowd_is_cut_and_few_are_proved_at_a_time() {
    let mut proofs = proofs();
    for number in 0..2 * WAITING {
        proofs.swapped(&name(number));
        proofs.swapped(&name(0));
    }
    assert_eq!(proofs.waiting.len(), WAITING);
    while let Some((name, _)) = proofs.take_due(start()) {
        proofs.began(name, tokio::spawn(async {}).abort_handle());
    }
    assert_eq!(proofs.running(), ABREAST);
    let ended = proofs.running.keys().next().cloned().expect("one that runs");
    proofs.note(&ended, &Proof::Right("01".to_owned()), start());
    assert!(proofs.take_due(start()).is_some(), "there is room for the next");
}

#[test]
fn what_is_wrong_is_news_once_and_looked_at_until_it_is_right() {
    let (mut proofs, now) = (proofs(), start());
    let wrong = compare(Shown::Serial("02".to_owned()), "01");
    assert!(proofs.note(&name(1), &wrong, now));
    assert!(!proofs.note(&name(1), &wrong, now), "the same again");
    assert!(proofs.take_due(now).is_none(), "not at once");
    let later = now + WHILE_WRONG;
    assert_eq!(proofs.next(), Some(later));
    assert_eq!(proofs.take_due(later).map(|(name, _)| name), Some(name(1)));
    let right = compare(Shown::Serial("01".to_owned()), "01");
    assert!(proofs.note(&name(1), &right, later));
    assert_eq!(proofs.next(), None);
}

#[test]
fn below_a_wildcard_a_name_is_asked_for_that_has_no_certificate_of_its_own() {
    let names = |names: &[&str]| {
        let names = names.iter().map(|name| Name::parse(name).expect("a name"));
        Names::new(names).expect("names")
    };
    let asked = |list: &[&str]| host(&names(list)).map(|(name, host)| (name.to_string(), host.to_string()));
    let pair = |name: &str, host: &str| Some((name.to_owned(), host.to_owned()));
    assert_eq!(asked(&["a.example"]), pair("a.example", "a.example"));
    assert_eq!(asked(&["*.a.example"]), pair("*.a.example", "sidegate-proof-of-serving.a.example"));
    assert_eq!(asked(&["192.0.2.1"]), None);
}
