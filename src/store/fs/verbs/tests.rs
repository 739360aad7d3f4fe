use std::sync::Arc;

use super::*;
use crate::ident::{Lineage, Name, Names, Provider};
use crate::store::layout::File as Of;

/// What is logged while `work` runs.
fn logged(work: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("one thread").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, work);
    let bytes = lines.0.lock().expect("one thread").clone();
    String::from_utf8(bytes).expect("text")
}

#[test]
fn what_others_can_read_is_named_and_what_they_cannot_reach_is_not() {
    let above = tempfile::tempdir().expect("a directory");
    let root = above.path().join("storage");
    let names = Names::new([Name::parse("example.com").expect("a name")]).expect("names");
    let id = Lineage::new(names, Provider::Selfsigned).id().clone();
    let (key, crt) = (layout::draft_file(&id, Of::Key), layout::draft_file(&id, Of::Crt));
    let look = || {
        let disk = Disk::open(&root).expect("a storage");
        for place in [&key, &crt] {
            if disk.read(place).is_err() {
                disk.put(place, b"secret", Expect::Any).expect("written");
                let open = fs::Permissions::from_mode(0o644);
                fs::set_permissions(disk.path(place.as_str()), open).expect("opened to others");
            }
        }
    };
    assert_eq!(logged(look), "", "nobody can get through the root");
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).expect("opened to others");
    let log = logged(look);
    assert!(log.contains("chmod 700") && log.contains("0755"), "{log}");
    assert!(log.contains("key.pem") && log.contains("chmod 600") && !log.contains("crt.pem"), "{log}");
    assert!(!log.contains("secret"), "{log}");
}
