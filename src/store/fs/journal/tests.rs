use std::time::{Duration, SystemTime};

use super::keeper::Keeper;
use super::*;
use crate::clock::Clock;
use crate::ident::Name;
use crate::story::{Event, Moment, Record, Recorder};

fn record(number: u64) -> Record {
    let at = Moment(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + number));
    let name = Name::parse(&format!("n{number}.example")).expect("a name");
    Record { at, names: vec![name], event: Event::ProvedBefore }
}

struct Rig {
    storage: tempfile::TempDir,
    segments: Segments,
}

impl Rig {
    fn new() -> Self {
        let storage = tempfile::tempdir().expect("a directory");
        let segments = Segments::of(storage.path());
        Self { storage, segments }
    }

    /// A keeper that keeps three segments of a few lines.
    fn keeper(&self) -> Keeper {
        Keeper::new(self.segments.clone(), 1000, 3)
    }

    fn write(&self, numbers: impl IntoIterator<Item = u64>) {
        let mut keeper = self.keeper();
        for number in numbers {
            keeper.ready().expect("ready");
            keeper.append(&[record(number)]).expect("written");
        }
    }

    /// The numbers of the lines, and what is wrong.
    fn read(&self) -> (Vec<u64>, Vec<String>) {
        let (sound, damaged) = Reader::new(self.storage.path())
            .read()
            .expect("readable")
            .into_iter()
            .partition::<Vec<_>, _>(Result::is_ok);
        (
            sound.into_iter().flatten().map(|entry| entry.n).collect(),
            damaged.into_iter().filter_map(Result::err).map(|damage| damage.to_string()).collect(),
        )
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.segments.path(number);
        let mut contents = fs::read(&path).expect("readable");
        change(&mut contents);
        fs::write(path, contents).expect("written");
    }
}

#[test]
fn segments_make_room_and_the_chain_holds_from_the_oldest_on() {
    let rig = Rig::new();
    assert_eq!(rig.read(), (vec![], vec![]), "a journal that is not there is empty");
    rig.write(1..=40);
    let numbers = rig.segments.list().expect("a list");
    assert_eq!(numbers.len(), 3);
    assert!(numbers[0] > 1, "the first ones made room: {numbers:?}");
    let (sound, damaged) = rig.read();
    assert_eq!(damaged, Vec::<String>::new());
    assert_eq!(sound, (sound[0]..=40).collect::<Vec<u64>>());
    assert!(sound.len() >= 6, "{sound:?}");
    // One that is gone between two others is noticed.
    fs::remove_file(rig.segments.path(numbers[1])).expect("removed");
    let (_, damaged) = rig.read();
    assert_eq!(damaged, [format!("{:08}.jsonl line 1 does not follow on the line before it", numbers[2])]);
}

#[test]
fn it_goes_on_where_it_ended() {
    let rig = Rig::new();
    for number in 1..=20 {
        rig.write([number]);
    }
    let (sound, damaged) = rig.read();
    assert_eq!((sound.last(), damaged), (Some(&20), vec![]));
}

#[test]
fn a_torn_line_is_cut_off_wherever_it_is_torn() {
    let rig = Rig::new();
    rig.write([1, 2]);
    let whole = fs::read(rig.segments.path(1)).expect("readable");
    let first = whole.iter().position(|b| *b == b'\n').expect("a line") + 1;
    for end in first + 1..whole.len() {
        rig.change(1, |contents| *contents = whole[..end].to_vec());
        assert_eq!(rig.read(), (vec![1], vec![]), "a reader waits for the rest of a line");
        let mut keeper = rig.keeper();
        assert_eq!(keeper.ready().expect("ready"), (end - first) as u64);
        keeper.append(&[record(3)]).expect("written");
        assert_eq!(rig.read(), (vec![1, 2], vec![]), "torn at {end}");
    }
    // What a filesystem leaves of a file whose blocks were not written.
    rig.change(1, |contents| contents.extend([0; 300]));
    assert_eq!(rig.keeper().ready().expect("ready"), 300);
}

#[test]
fn damage_in_the_middle_is_told_with_its_line_and_written_after() {
    let rig = Rig::new();
    rig.write(1..=3);
    rig.change(1, |contents| {
        let second = contents.iter().position(|b| *b == b'\n').expect("a line") + 9;
        contents[second] ^= 1;
    });
    let told = vec!["00000001.jsonl line 2 does not fit its own sum".to_owned()];
    assert_eq!(rig.read(), (vec![1, 3], told.clone()));
    rig.write([4]);
    assert_eq!(rig.read(), (vec![1, 3, 4], told));
}

#[test]
fn a_reader_goes_on_with_what_is_new_and_over_what_is_gone() {
    let rig = Rig::new();
    let mut reader = Reader::new(rig.storage.path());
    let mut next = || -> Vec<u64> {
        reader.read().expect("readable").into_iter().map(|entry| entry.expect("sound").n).collect()
    };
    rig.write(1..=2);
    assert_eq!(next(), [1, 2]);
    assert_eq!(next(), Vec::<u64>::new());
    rig.write(3..=9);
    assert_eq!(next(), (3..=9).collect::<Vec<u64>>());
    rig.write(10..=80);
    let rest = next();
    assert!(rest[0] > 10 && rest.ends_with(&[79, 80]), "{rest:?}");
}

/// Everything a keeper's thread does, with somebody who tells.
fn told_to_a_keeper(rig: &Rig, tell: impl AsyncFnOnce(&Recorder)) {
    let (recorder, told) = Recorder::channel(Clock::system());
    let storage = rig.storage.path().to_owned();
    let thread = std::thread::spawn(move || keep(told, &storage, || {}));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(tell(&recorder));
    drop(recorder);
    thread.join().expect("it ends when nobody can tell anything any more");
}

#[test]
fn what_is_told_is_kept_by_whoever_has_the_role() {
    let rig = Rig::new();
    told_to_a_keeper(&rig, async |recorder| {
        recorder.tell([], Event::Leads);
        recorder.end().await;
        assert_eq!(rig.read().0, Vec::<u64>::new(), "who issues is not known yet");
        recorder.keep().await;
        recorder.tell([], Event::Stopped);
        recorder.end().await;
        assert_eq!(rig.read(), (vec![1, 2], vec![]));
    });
    told_to_a_keeper(&rig, async |recorder| {
        recorder.tell([], Event::Leads);
        recorder.forget().await;
        recorder.tell([], Event::Leads);
        recorder.keep().await;
        recorder.tell([], Event::Stopped);
        recorder.end().await;
        assert_eq!(rig.read(), (vec![1, 2, 3], vec![]), "what came before is another process's story");
    });
}

#[test]
fn a_journal_that_cannot_be_written_costs_what_is_told_meanwhile() {
    let rig = Rig::new();
    told_to_a_keeper(&rig, async |recorder| {
        recorder.keep().await;
        recorder.tell([], Event::Leads);
        recorder.end().await;
        let aside = rig.storage.path().join("aside");
        fs::rename(&rig.segments.folder, &aside).expect("moved");
        fs::write(&rig.segments.folder, "no folder").expect("written");
        for _ in 0..2 {
            recorder.tell([], Event::ProvedBefore);
            recorder.end().await;
        }
        fs::remove_file(&rig.segments.folder).expect("removed");
        fs::rename(&aside, &rig.segments.folder).expect("moved back");
        recorder.tell([], Event::Stopped);
        recorder.end().await;
    });
    let read = Reader::new(rig.storage.path()).read().expect("readable");
    let events: Vec<Event> = read.into_iter().map(|entry| entry.expect("sound").record.event).collect();
    assert_eq!(events, [Event::Leads, Event::Untold { events: 2 }, Event::Stopped]);
}

#[test]
fn a_batch_fills_one_segment_after_the_other() {
    let rig = Rig::new();
    // Told before anybody knew who keeps it, so that all of it is written at once.
    let names =
        |number| (0..100).map(move |name| format!("a-name-of-some-length-{name}.n{number}.example.com"));
    const EVENTS: u64 = 3000;
    told_to_a_keeper(&rig, async |recorder| {
        for number in 0..EVENTS {
            let names: Vec<Name> = names(number).map(|name| Name::parse(&name).expect("a name")).collect();
            recorder.tell(&names, Event::ProvedBefore);
            // The line to the keeper is shorter than this.
            if number % 100 == 99 {
                recorder.end().await;
            }
        }
        recorder.keep().await;
        recorder.end().await;
    });
    let segments = rig.segments.list().expect("a list");
    assert_eq!(segments.len(), 8, "the oldest have made room");
    for number in segments {
        let length = fs::metadata(rig.segments.path(number)).expect("there").len();
        assert!(length < (1 << 20) + 10_000, "{length} bytes");
    }
    told_to_a_keeper(&rig, async |recorder| {
        recorder.keep().await;
        recorder.tell([], Event::Stopped);
    });
    let (sound, damaged) = rig.read();
    assert_eq!(damaged, Vec::<String>::new());
    assert_eq!(sound, (sound[0]..=EVENTS + 1).collect::<Vec<u64>>());
}
