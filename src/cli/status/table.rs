//! Certificates as a table for people.

use std::fmt::Write;

use crate::app::{Certificate, Health, Report, Tokens};

/// Told where only the configuration could say which certificates there should be, and it names none.
const UNCONFIGURED: &str =
    "no certificates: no name is configured by -c FILE, or by TLS_DOMAIN and TARGET_PORT\n";

/// A line for each certificate: below it the names that did not fit, what is wrong, and what went wrong last.
pub(in crate::cli) fn short(report: &Report) -> String {
    let head = ["NAME", "SERVED", "ISSUER", "EXPIRES", "NEXT", "WHEN"];
    let cells = |certificate: &Certificate| columns(certificate).to_vec();
    draw(&head, report, cells, |_, cell| cell)
}

/// The same with the state of each and what is left of the CA's limits; below all of it what is wrong with the hook,
/// and who says so.
pub(super) fn long(report: &Report, color: bool) -> String {
    let head = ["STATE", "NAME", "SERVED", "ISSUER", "EXPIRES", "NEXT", "WHEN", "TOKENS"];
    let cells = |certificate: &Certificate| {
        let mut cells = vec![state(certificate.health).to_owned()];
        cells.extend(columns(certificate));
        cells.push(tokens(&certificate.tokens));
        cells
    };
    let paint = |certificate: &Certificate, cell: String| {
        if color { painted(certificate.health, &cell) } else { cell }
    };
    let mut out = draw(&head, report, cells, paint);
    if let Some(hook) = &report.hook {
        let state = state(hook.health);
        let state = if color { painted(hook.health, state) } else { state.to_owned() };
        for trouble in &hook.trouble {
            let _ = write!(out, "\n{state}: {trouble}\n");
        }
    }
    let _ = match &report.process {
        Some(process) if process.issues => {
            writeln!(out, "\nsaid by process {}, which issues (sidegate {})", process.pid, process.program)
        }
        Some(process) => writeln!(
            out,
            "\nsaid by process {}, which serves what another one issues (sidegate {})",
            process.pid, process.program
        ),
        None if report.read_only => {
            writeln!(out, "\nread from {}, which is read-only here", report.storage.display())
        }
        None => writeln!(out, "\nread from {}; no process uses it", report.storage.display()),
    };
    out
}

/// Draws a table; `paint` has the last word on the first cell of each certificate's line.
fn draw(
    head: &[&str],
    report: &Report,
    cells: impl Fn(&Certificate) -> Vec<String>,
    paint: impl Fn(&Certificate, String) -> String,
) -> String {
    let certificates = &report.certificates;
    if certificates.is_empty() {
        return if report.process.is_some() { "no certificates\n" } else { UNCONFIGURED }.to_owned();
    }
    let head: Vec<String> = head.iter().map(|&word| word.to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(certificates.iter().map(cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        let mut cells: Vec<String> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let certificate = index.checked_sub(1).and_then(|index| certificates.get(index));
        if let Some(certificate) = certificate {
            cells[0] = paint(certificate, std::mem::take(&mut cells[0]));
        }
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
        if let Some(certificate) = certificate {
            below(&mut out, certificate);
        }
    }
    out
}

fn below(out: &mut String, certificate: &Certificate) {
    for name in certificate.names.iter().skip(1) {
        let _ = writeln!(out, "  {name}");
    }
    if let Some(since) = &certificate.pinned {
        let _ = writeln!(out, "  gone back to at {since}, until the next issuance or `rollback --off`");
    }
    if let Some(trouble) = &certificate.trouble {
        let _ = writeln!(out, "  {trouble}");
    }
    if let Some(error) = &certificate.last_error {
        let _ = writeln!(out, "  last error: {}", error.replace('\n', "\n  "));
    }
}

fn columns(certificate: &Certificate) -> [String; 6] {
    let or_dash = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "-".to_owned());
    [
        certificate.names.first().cloned().unwrap_or_default(),
        certificate.served.clone(),
        or_dash(&certificate.issuer),
        certificate.expires.as_deref().map_or_else(|| "-".to_owned(), minute),
        certificate.next.clone(),
        certificate.next_at.as_deref().map_or_else(|| "-".to_owned(), minute),
    ]
}

fn state(health: Health) -> &'static str {
    match health {
        Health::Ok => "ok",
        Health::Warning => "warning",
        Health::Critical => "critical",
    }
}

fn painted(health: Health, cell: &str) -> String {
    let color = match health {
        Health::Ok => 32,
        Health::Warning => 33,
        Health::Critical => 31,
    };
    format!("\x1b[{color}m{cell}\x1b[0m")
}

/// Of each kind of limit the one that has the least left: `4/5 set, 48/50 domain`.
fn tokens(tokens: &[Tokens]) -> String {
    let least = |kind: &str| {
        let of_kind = tokens.iter().filter(|token| token.of.split(' ').next() == Some(kind));
        let least = of_kind.min_by_key(|token| token.left)?;
        Some(format!("{}/{} {kind}", least.left, least.burst))
    };
    let cells: Vec<String> = ["set", "domain"].into_iter().filter_map(least).collect();
    if cells.is_empty() { "-".to_owned() } else { cells.join(", ") }
}

/// `2026-11-22T03:12:24Z` to the minute.
fn minute(moment: &str) -> String {
    let minute = moment.get(..16).filter(|_| moment.ends_with('Z'));
    minute.map_or_else(|| moment.to_owned(), |minute| minute.replace('T', " ") + "Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{Hook, Process};

    fn report() -> Report {
        let held = Certificate {
            names: vec!["example.com".into(), "www.example.com".into()],
            served: "letsencrypt".into(),
            item: Some("20261122T031224.000000000Z-x".into()),
            pinned: None,
            issuer: Some("R11".into()),
            expires: Some("2027-02-20T03:12:24Z".into()),
            next: "renew".into(),
            next_at: Some("2027-01-21T10:00:00Z".into()),
            last_error: None,
            tokens: [
                ("set", "example.com", 4, 5),
                ("domain", "example.com", 48, 50),
                ("domain", "x.org", 9, 50),
            ]
            .map(|(kind, of, left, burst)| Tokens { of: format!("{kind} {of}"), left, burst, more_at: None })
            .to_vec(),
            health: Health::Ok,
            trouble: None,
        };
        let missing = Certificate {
            names: vec!["new.example.com".into()],
            served: "nothing".into(),
            item: None,
            pinned: None,
            issuer: None,
            expires: None,
            next: "order".into(),
            next_at: None,
            last_error: Some("the CA limits our rate".into()),
            tokens: Vec::new(),
            health: Health::Critical,
            trouble: Some("new.example.com has no valid certificate".into()),
        };
        let process = Process {
            version: 1,
            pid: 812,
            program: "0.1.0".into(),
            issues: true,
            storage: "/var/lib/sidegate".into(),
        };
        Report {
            version: 1,
            process: Some(process),
            storage: "/var/lib/sidegate".into(),
            read_only: false,
            certificates: vec![held, missing],
            hook: None,
        }
    }

    #[test]
    fn the_short_table_is_aligned_and_says_what_went_wrong() {
        let expected = "\
NAME             SERVED       ISSUER  EXPIRES            NEXT   WHEN
example.com      letsencrypt  R11     2027-02-20 03:12Z  renew  2027-01-21 10:00Z
  www.example.com
new.example.com  nothing      -       -                  order  -
  new.example.com has no valid certificate
  last error: the CA limits our rate
";
        assert_eq!(short(&report()), expected);
        let empty = Report { certificates: Vec::new(), ..report() };
        assert_eq!(short(&empty), "no certificates\n");
        assert_eq!(short(&Report { process: None, ..empty }), UNCONFIGURED);
    }

    #[test]
    fn the_long_table_says_what_is_left_and_who_says_so() {
        let expected = "\
STATE     NAME             SERVED       ISSUER  EXPIRES            NEXT   WHEN               TOKENS
ok        example.com      letsencrypt  R11     2027-02-20 03:12Z  renew  2027-01-21 10:00Z  4/5 set, 9/50 domain
  www.example.com
critical  new.example.com  nothing      -       -                  order  -                  -
  new.example.com has no valid certificate
  last error: the CA limits our rate

said by process 812, which issues (sidegate 0.1.0)
";
        assert_eq!(long(&report(), false), expected);
        let plain = Report { process: None, ..report() };
        assert!(long(&plain, false).ends_with("\nread from /var/lib/sidegate; no process uses it\n"));
    }

    #[test]
    fn what_is_wrong_with_the_hook_stands_below_the_certificates() {
        let hook = Hook { health: Health::Warning, trouble: vec!["the hook failed".to_owned()] };
        let report = Report { hook: Some(hook), ..report() };
        let told = long(&report, false);
        assert!(told.contains("rate\n\nwarning: the hook failed\n\nsaid by process 812"), "{told}");
        assert!(long(&report, true).contains("\n\x1b[33mwarning\x1b[0m: the hook failed\n"));
    }

    #[test]
    fn colour_moves_no_column() {
        let painted = long(&report(), true);
        assert!(painted.contains("\x1b[32mok      \x1b[0m  example.com"), "{painted}");
        assert!(painted.contains("\x1b[31mcritical\x1b[0m  new.example.com"), "{painted}");
        let plain = painted.replace("\x1b[0m", "").replace("\x1b[31m", "").replace("\x1b[32m", "");
        assert_eq!(plain, long(&report(), false));
    }
}
