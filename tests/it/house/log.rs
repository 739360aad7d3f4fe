//! What the code under test logs, for tests on one thread.

use std::io::Write;
use std::sync::{Arc, Mutex, Once};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// Everything logged on this thread as long as this lives.
pub(crate) struct Captured {
    text: Buffer,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// Begins to listen, at level info and above.
    pub(crate) fn new() -> Self {
        // A line that another thread, to which nobody listens, comes upon just as we begin would be taken for one that
        // nobody ever wants. Somebody who always listens to all threads wants it.
        static LISTENS: Once = Once::new();
        LISTENS.call_once(|| {
            let nowhere =
                tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(std::io::sink);
            tracing::subscriber::set_global_default(nowhere.finish())
                .expect("nobody else listens to all threads");
        });
        let text = Buffer::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::INFO)
            .with_writer(text.clone())
            .finish();
        Self { text, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// What was said so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.0.lock().expect("no test panicked here")).into_owned()
    }

    /// Fails unless each of these follows the one before it.
    pub(crate) fn assert_in_order(&self, phrases: &[&str]) {
        let text = self.text();
        let mut rest = text.as_str();
        for phrase in phrases {
            let Some(at) = rest.find(phrase) else {
                panic!("`{phrase}` is missing, or in the wrong place, in:\n{text}");
            };
            rest = &rest[at + phrase.len()..];
        }
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no test panicked here").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Buffer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
