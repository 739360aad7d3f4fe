//! Bytes that clients might send: requests by the grammar, with here and there something that is not quite right.
//!
//! All of it comes from a seed, so that what was found once can be found again.

/// Numbers that look random and are the same for the same seed (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Less than `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// What a client might send on one connection: a few requests, and maybe the beginning of another.
pub(crate) fn requests(dice: &mut Dice) -> Vec<u8> {
    // Half of them are as they should be, so that what comes behind the first is reached.
    let mut writer = Writer { oddity: *dice.pick(&[&0, &0, &60, &15]), dice, out: Vec::new() };
    for _ in 0..=writer.dice.below(3) {
        writer.request();
    }
    let mut out = writer.out;
    if dice.one_in(8) {
        out.truncate(dice.below(out.len()));
    }
    if dice.one_in(4) {
        for _ in 0..=dice.below(3) {
            damage(dice, &mut out);
        }
    }
    out
}

/// What an upstream might answer.
pub(crate) fn response(dice: &mut Dice) -> Vec<u8> {
    let mut writer = Writer { oddity: *dice.pick(&[&0, &60, &15]), dice, out: Vec::new() };
    writer.response();
    let mut out = writer.out;
    if dice.one_in(4) {
        damage(dice, &mut out);
    }
    out
}

/// A chunked body and something behind it.
pub(crate) fn chunks(dice: &mut Dice) -> Vec<u8> {
    let mut writer = Writer { oddity: *dice.pick(&[&0, &60, &15]), dice, out: Vec::new() };
    writer.chunked();
    writer.out.extend_from_slice(b"GET");
    let mut out = writer.out;
    if dice.one_in(4) {
        damage(dice, &mut out);
    }
    out
}

/// Changes a byte or a few.
pub(crate) fn damage(dice: &mut Dice, out: &mut Vec<u8>) {
    const BYTES: &[u8] = b"\r\n\t \0\x0b\x0c\x1f\x7f\x80\xff:;,=/\\#?%\"0159afxAZ-+_.@[]{}";
    let at = dice.below(out.len() + 1);
    let until = (at + dice.below(12)).min(out.len());
    match dice.below(6) {
        0 => out.insert(at, BYTES[dice.below(BYTES.len())]),
        1 if at < out.len() => out[at] = BYTES[dice.below(BYTES.len())],
        2 if at < out.len() => {
            out.remove(at);
        }
        3 if at < out.len() => out[at] ^= 1 << dice.below(8),
        4 => drop(out.drain(at..until)),
        _ => {
            let again = out[at..until].to_vec();
            out.splice(at..at, again);
        }
    }
}

struct Writer<'a> {
    dice: &'a mut Dice,
    /// One choice in so many is an odd one; 0 is never.
    oddity: usize,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn request(&mut self) {
        self.odd("", &["\r\n", "\n", " ", "\r", "\r\n\r\n"]);
        self.choose(
            &["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE"],
            &["TRACE", "CONNECT", "get", "G@T", "X"],
        );
        self.odd(" ", &["  ", "\t", ""]);
        self.choose(
            &[
                "/",
                "/a/b?c=d",
                "//x",
                "/%2e%2E/%00?a|b{c}",
                "http://h.example/x?y",
                "/a:b@c;d",
                "HTTPS://H.example",
            ],
            &[
                "*",
                "h.example:80",
                "/a#b",
                "/\u{e9}",
                "a",
                "",
                "http://u@h/",
                "ftp://h/",
                "/a\\b^`",
                "http://h?q",
                "/<>",
            ],
        );
        self.odd(" ", &["  ", "\t", ""]);
        let old = self.dice.one_in(12);
        self.odd(
            if old { "HTTP/1.0" } else { "HTTP/1.1" },
            &["HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", ""],
        );
        self.end_of_line();
        if !self.is_odd() {
            self.field("Host", &["h.example", "h.example:8443"], &["", "a b", "h.example, g.example"]);
        }
        for _ in 0..self.dice.below(4) {
            self.any_field();
        }
        if old {
            self.framed_by(&["none", "length"]);
        } else {
            self.framed_by(&["none", "none", "length", "chunked"]);
        }
    }

    fn response(&mut self) {
        self.choose(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.0"], &["HTTP/2", "ICY", "", "\r\nHTTP/1.1"]);
        self.odd(" ", &["  ", "\t", ""]);
        self.choose(&["200", "204", "304", "404", "100", "101", "503"], &["99", "600", "2x0", "", "0200"]);
        self.choose(&[" OK", "", " ", " \u{e9}t\u{e9}"], &["\t", " a\rb", " \0", "  OK"]);
        self.end_of_line();
        for _ in 0..self.dice.below(4) {
            self.any_field();
        }
        self.framed_by(&["none", "length", "chunked"]);
    }

    /// Ends the head, and writes a body that goes with it.
    fn framed_by(&mut self, usual: &[&str]) {
        let framing = self.dice.pick(usual).to_owned();
        let length = self.dice.below(20);
        if framing == "length" || self.is_odd() {
            let (length, more) = (length.to_string(), format!("{}", length + 1));
            let zeros = format!("00{length}");
            self.field(
                "Content-Length",
                &[&length],
                &[
                    &more,
                    &zeros,
                    "",
                    "+1",
                    "-0",
                    "0x1",
                    "1 1",
                    "1,1",
                    "18446744073709551616",
                    "9223372036854775808",
                ],
            );
            if self.is_odd() {
                self.field("content-length", &[&length], &[&more]);
            }
        }
        if framing == "chunked" || self.is_odd() {
            self.field(
                "Transfer-Encoding",
                &["chunked", "Chunked"],
                &[
                    "gzip, chunked",
                    "chunked, gzip",
                    "identity",
                    "",
                    "chunked,",
                    "xchunked",
                    "chunked;a",
                    "\"chunked\"",
                ],
            );
            if self.is_odd() {
                self.field("transfer-encoding", &["chunked"], &["identity"]);
            }
        }
        self.end_of_line();
        match &*framing {
            "length" => {
                for at in 0..length {
                    // A body that looks like a request, to those who get its length wrong.
                    self.out.push(b"GET / HTTP/1.1\r\n\r\nab"[at]);
                }
            }
            "chunked" => self.chunked(),
            _ => {}
        }
    }

    fn chunked(&mut self) {
        for _ in 0..self.dice.below(4) {
            let size = 1 + self.dice.below(30);
            let (lower, upper, zeros) = (format!("{size:x}"), format!("{size:X}"), format!("000{size:x}"));
            let (more, prefixed, signed) =
                (format!("{:x}", size + 1), format!("0x{size:x}"), format!("+{size:x}"));
            self.choose(
                &[&lower, &upper, &zeros],
                &[&more, &prefixed, &signed, "", "g", "10000000000000000", "-1"],
            );
            self.end_of_size();
            for at in 0..size {
                self.out.push(b"0\r\n\r\nGET / HTTP/1.1\r\nHost: h.ex\r\n\r\n"[at]);
            }
            self.end_of_line();
        }
        self.choose(&["0", "0", "000"], &["", "00000000000000000000", "0x0"]);
        self.end_of_size();
        if self.dice.one_in(4) {
            self.field("X-Sum", &["1"], &["a\rb", "\0"]);
        }
        if self.is_odd() {
            self.field("Content-Length", &["5"], &[]);
        }
        self.end_of_line();
    }

    fn end_of_size(&mut self) {
        let extension = self.dice.one_in(6);
        let usual = if extension { ";a=b" } else { "" };
        self.odd(usual, &[" ", "\t;a", ";", ";a=\"b;c\"", ";a\n", ";\r", " ;a", ";a\0", " x", ";a=\"\r\n\""]);
        self.end_of_line();
    }

    fn any_field(&mut self) {
        match self.dice.below(5) {
            0 => self.field(
                "Connection",
                &["keep-alive", "close", "x-a, keep-alive", "Upgrade"],
                &["", ",", "a b", "close, keep-alive", "close;x", "content-length", "transfer-encoding"],
            ),
            1 => self.field("Expect", &["100-continue"], &["100-Continue", "200-ok", ""]),
            2 => self.field("Upgrade", &["websocket"], &["h2c", ""]),
            3 => self.field(
                "X-A",
                &["1", "a, b", "\u{e9}", "", "a\tb"],
                &["a\0b", "a\rb", "a\n b", "a\r\n b", "\u{7f}"],
            ),
            _ => {
                let name: &str = self.dice.pick(&["Cookie", "Accept", "x_y", "A!#$%&'*+-.^_`|~0"]);
                let name = if self.is_odd() {
                    self.dice
                        .pick(&["a b", "", "a ", " a", "a\t", "\u{e9}", "a(b)", "a:b", "\"a\"", "Host", "\0"])
                } else {
                    name
                };
                self.field(name, &["x"], &["x:y"]);
            }
        }
    }

    fn field(&mut self, name: &str, usual: &[&str], odd: &[&str]) {
        self.out.extend_from_slice(name.as_bytes());
        self.odd(":", &[" :", "\t:", "", "::"]);
        self.choose(&[" ", " ", "", "\t", "  "], &["\r\n ", "\x0b", "\n"]);
        if odd.is_empty() {
            self.choose(usual, usual)
        } else {
            self.choose(usual, odd)
        }
        self.choose(&["", "", "", " ", "\t "], &["\r", "\x0c"]);
        self.end_of_line();
    }

    fn end_of_line(&mut self) {
        self.odd("\r\n", &["\n", "\r", "\r\r\n", "\n\r", " \r\n", "\r\n "]);
    }

    fn is_odd(&mut self) -> bool {
        self.oddity > 0 && self.dice.one_in(self.oddity)
    }

    fn odd(&mut self, usual: &str, odd: &[&str]) {
        self.choose(&[usual], odd);
    }

    /// Writes one of the usual, or now and then one of the odd.
    fn choose(&mut self, usual: &[&str], odd: &[&str]) {
        let from = if self.is_odd() { odd } else { usual };
        let chosen = self.dice.pick(from);
        // One byte a character, so that bytes which are no UTF-8 are written too.
        let bytes = chosen.chars().map(|c| u8::try_from(c).unwrap_or(b'?'));
        self.out.extend(bytes);
    }
}
