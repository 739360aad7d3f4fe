//! Rust source read just well enough to know which paths it names.
//!
//! Comments, strings and code under `#[cfg(test)]` are left out; `use` groups are unfolded, `crate`,
//! `self` and `super` become absolute, and a name that was imported is followed to where it came from.

use std::collections::BTreeMap;

/// One file under `src`.
pub(super) struct Source {
    /// Relative to `src`, such as `proxy/http/forward.rs`.
    pub(super) file: String,
    /// Every path the file names, absolute: `crate::…` or a foreign crate first.
    pub(super) paths: Vec<Named>,
}

/// A path and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) line: usize,
    pub(super) path: Vec<String>,
}

impl Source {
    pub(super) fn read(file: &str, text: &str) -> Self {
        let tokens = without_test_code(&lex(text));
        let mut reader = Reader { tokens: &tokens, at: 0, named: Vec::new(), imports: BTreeMap::new() };
        reader.walk(&module_of(file));
        let imports = reader.imports;
        let mut paths = Vec::new();
        for named in reader.named {
            match imports.get(&named.path[0]) {
                Some(origins) if named.path[0] != "crate" => {
                    paths.extend(origins.iter().filter(|origin| origin[0] != named.path[0]).map(|origin| {
                        let path = origin.iter().chain(&named.path[1..]).cloned().collect();
                        Named { line: named.line, path }
                    }));
                    paths.push(named);
                }
                _ => paths.push(named),
            }
        }
        Self { file: file.to_owned(), paths }
    }
}

/// `proxy/http/mod.rs` is the module `crate::proxy::http`.
fn module_of(file: &str) -> Vec<String> {
    let stem = file.trim_end_matches(".rs");
    let mut module = vec!["crate".to_owned()];
    module.extend(stem.split('/').map(str::to_owned));
    if ["mod", "lib", "main"].contains(&module[module.len() - 1].as_str()) {
        module.pop();
    }
    module
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    line: usize,
    text: String,
}

impl Token {
    fn is_name(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

fn lex(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut tokens, mut i, mut line) = (Vec::new(), 0, 1);
    while i < chars.len() {
        let begin = i;
        match at(i) {
            '/' if at(i + 1) == '/' => i = line_end(&chars, i),
            '/' if at(i + 1) == '*' => i = comment_end(&chars, i),
            '"' => i = string_end(&chars, i),
            '\'' if at(i + 1) == '\\' => i = 1 + find(&chars, i + 3, '\''),
            '\'' if at(i + 2) == '\'' => i += 3,
            c if c.is_alphanumeric() || c == '_' => {
                while at(i).is_alphanumeric() || at(i) == '_' {
                    i += 1;
                }
                let word: String = chars[begin..i].iter().collect();
                let raw = word.ends_with('r') && word.len() <= 2;
                if raw && at(i) == '#' && (at(i + 1).is_alphabetic() || at(i + 1) == '_') {
                    i += 1; // r#name: the name follows as a word of its own
                } else if raw && (at(i) == '#' || at(i) == '"') {
                    i = raw_string_end(&chars, i);
                } else if !(c.is_numeric() || at(i) == '"' && word.len() == 1) {
                    tokens.push(Token { line, text: word });
                }
            }
            ':' if at(i + 1) == ':' => {
                tokens.push(Token { line, text: "::".to_owned() });
                i += 2;
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(Token { line, text: c.to_string() });
                }
                i += 1;
            }
        }
        let end = i.min(chars.len());
        line += chars[begin..end].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn find(chars: &[char], from: usize, what: char) -> usize {
    (from..chars.len()).find(|&i| chars[i] == what).unwrap_or(chars.len())
}

fn line_end(chars: &[char], from: usize) -> usize {
    find(chars, from, '\n')
}

fn comment_end(chars: &[char], from: usize) -> usize {
    let (mut depth, mut i) = (0, from);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn string_end(chars: &[char], from: usize) -> usize {
    let mut i = from + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

fn raw_string_end(chars: &[char], from: usize) -> usize {
    let hashes = chars[from..].iter().take_while(|c| **c == '#').count();
    let mut i = from + hashes + 1;
    while i < chars.len() {
        if chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes {
            return i + 1 + hashes;
        }
        i += 1;
    }
    i
}

/// Drops every item under an attribute `#[cfg(test)]`.
fn without_test_code(tokens: &[Token]) -> Vec<Token> {
    let text = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    let (mut kept, mut i) = (Vec::new(), 0);
    while i < tokens.len() {
        if text(i) == "#" && text(i + 1) == "[" {
            let end = closing(tokens, i + 1);
            let words: Vec<&str> = (i + 2..end).map(text).collect();
            if words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not") {
                i = end + 1;
                while text(i) == "#" {
                    i = closing(tokens, i + 1) + 1;
                }
                i = item_end(tokens, i);
                continue;
            }
        }
        kept.push(tokens[i].clone());
        i += 1;
    }
    kept
}

/// The index of the bracket that closes the one at `open`.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i;
        }
    }
    tokens.len()
}

/// The index after the item that begins at `from`: after its `;`, or after its braces.
fn item_end(tokens: &[Token], from: usize) -> usize {
    let mut i = from;
    let mut import = false;
    while i < tokens.len() {
        match tokens[i].text.as_str() {
            "use" => import = true,
            ";" | "," => return i + 1,
            "(" | "[" => i = closing(tokens, i),
            "{" => {
                i = closing(tokens, i);
                if !import {
                    return i + 1;
                }
            }
            _ => {}
        }
        i += 1;
    }
    i
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    named: Vec<Named>,
    imports: BTreeMap<String, Vec<Vec<String>>>,
}

impl Reader<'_> {
    fn text(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |t| t.text.as_str())
    }

    /// Reads to the end of the tokens, or to the brace that closes this module.
    fn walk(&mut self, module: &[String]) {
        let mut depth = 0;
        while self.at < self.tokens.len() {
            match self.text(0) {
                "mod" if self.text(2) == "{" => {
                    let inner: Vec<String> =
                        module.iter().cloned().chain([self.text(1).to_owned()]).collect();
                    self.at += 3;
                    self.walk(&inner);
                }
                "use" => {
                    self.at += 1;
                    self.path(module, &[], true);
                }
                "{" => (depth, self.at) = (depth + 1, self.at + 1),
                "}" if depth == 0 => {
                    self.at += 1;
                    return;
                }
                "}" => (depth, self.at) = (depth - 1, self.at + 1),
                _ if self.tokens[self.at].is_name() || self.text(0) == "::" => self.path(module, &[], false),
                _ => self.at += 1,
            }
        }
    }

    /// Reads one path, unfolding groups, and notes each one it stands for.
    fn path(&mut self, module: &[String], prefix: &[String], import: bool) {
        let line = self.tokens.get(self.at).map_or(0, |t| t.line);
        let mut path = prefix.to_vec();
        if self.text(0) == "::" {
            self.at += 1;
        }
        loop {
            match self.text(0) {
                "{" if import => {
                    self.at += 1;
                    while self.at < self.tokens.len() && self.text(0) != "}" {
                        match self.text(0) {
                            "," => self.at += 1,
                            _ => self.path(module, &path, true),
                        }
                    }
                    self.at += 1;
                    return;
                }
                "crate" if path.is_empty() => path.push("crate".to_owned()),
                "sidegate" if path.is_empty() => path.push("crate".to_owned()),
                "self" if path.is_empty() => path.extend_from_slice(module),
                "self" => {}
                "super" if path.is_empty() => path.extend_from_slice(&module[..module.len().max(2) - 1]),
                "super" => {
                    path.pop();
                }
                "*" if import => path.push("*".to_owned()),
                word => match self.tokens.get(self.at) {
                    Some(token) if token.is_name() => path.push(word.to_owned()),
                    _ => break,
                },
            }
            self.at += 1;
            if self.text(0) != "::" {
                break;
            }
            self.at += 1;
        }
        if path.len() == prefix.len() && self.text(0) != "," && self.text(0) != "}" {
            self.at += 1; // nothing we know; go on behind it
        }
        let mut known_as = path.last().cloned();
        if import && self.text(0) == "as" {
            known_as = Some(self.text(1).to_owned());
            self.at += 2;
        }
        if path.is_empty() {
            return;
        }
        if let (true, Some(name)) = (import, known_as) {
            self.imports.entry(name).or_default().push(path.clone());
        }
        self.named.push(Named { line, path });
    }
}
