//! What `sidegate list` prints.

use std::fmt::Write;

use serde::Serialize;

/// One certificate that is, or should be, served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListRow {
    /// Its names, the primary one first.
    pub names: Vec<String>,
    /// What a client is shown: `letsencrypt`, `selfsigned`, the path of a file somebody else keeps, or `nothing`.
    pub served: String,
    /// Who signed what is shown.
    pub issuer: Option<String>,
    /// When that ends, RFC 3339.
    pub expires: Option<String>,
    /// What happens next, such as `renew`.
    pub next: Option<String>,
    /// When, RFC 3339.
    pub next_at: Option<String>,
    /// Why the last attempt failed, if it did.
    pub last_error: Option<String>,
}

/// For people: a line for each certificate, and below it the names that did not fit and what went wrong.
#[must_use]
pub fn table(rows: &[ListRow]) -> String {
    if rows.is_empty() {
        return "no certificates\n".to_owned();
    }
    let head = ["NAME", "SERVED", "ISSUER", "EXPIRES", "NEXT", "WHEN"].map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(head).chain(rows.iter().map(columns)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let _ = writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        let row = index.checked_sub(1).and_then(|index| rows.get(index));
        for name in row.iter().flat_map(|row| row.names.iter().skip(1)) {
            let _ = writeln!(out, "  {name}");
        }
        if let Some(error) = row.and_then(|row| row.last_error.as_ref()) {
            let _ = writeln!(out, "  last error: {}", error.replace('\n', "\n  "));
        }
    }
    out
}

/// For programs: an array with an object for each certificate. Fields may be added, none will change.
#[must_use]
pub fn json(rows: &[ListRow]) -> String {
    // Strings and lists of strings always have a form in JSON.
    serde_json::to_string_pretty(rows).unwrap_or_default() + "\n"
}

fn columns(row: &ListRow) -> [String; 6] {
    let or_dash = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "-".to_owned());
    [
        row.names.first().cloned().unwrap_or_default(),
        row.served.clone(),
        or_dash(&row.issuer),
        row.expires.as_deref().map_or_else(|| "-".to_owned(), short),
        or_dash(&row.next),
        row.next_at.as_deref().map_or_else(|| "-".to_owned(), short),
    ]
}

/// `2026-11-22T03:12:24Z` to the minute.
fn short(moment: &str) -> String {
    let minute = moment.get(..16).filter(|_| moment.ends_with('Z'));
    minute.map_or_else(|| moment.to_owned(), |minute| minute.replace('T', " ") + "Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<ListRow> {
        let held = ListRow {
            names: vec!["example.com".into(), "www.example.com".into()],
            served: "letsencrypt".into(),
            issuer: Some("R11".into()),
            expires: Some("2027-02-20T03:12:24Z".into()),
            next: Some("renew".into()),
            next_at: Some("2027-01-21T10:00:00Z".into()),
            last_error: None,
        };
        let missing = ListRow {
            names: vec!["new.example.com".into()],
            served: "nothing".into(),
            issuer: None,
            expires: None,
            next: Some("issue".into()),
            next_at: None,
            last_error: Some("the CA limits our rate".into()),
        };
        vec![held, missing]
    }

    #[test]
    fn a_table_is_aligned_and_says_what_went_wrong() {
        let expected = "\
NAME             SERVED       ISSUER  EXPIRES            NEXT   WHEN
example.com      letsencrypt  R11     2027-02-20 03:12Z  renew  2027-01-21 10:00Z
  www.example.com
new.example.com  nothing      -       -                  issue  -
  last error: the CA limits our rate
";
        assert_eq!(table(&rows()), expected);
        assert_eq!(table(&[]), "no certificates\n");
    }

    #[test]
    fn programs_get_every_field_by_its_name() {
        let value: serde_json::Value = serde_json::from_str(&json(&rows())).expect("JSON");
        assert_eq!(value[0]["names"][1], "www.example.com");
        assert_eq!(value[0]["expires"], "2027-02-20T03:12:24Z");
        assert_eq!(value[1]["last_error"], "the CA limits our rate");
        assert!(value[1]["issuer"].is_null());
    }
}
