//! Sending a client on to where it should be.

use http::{Method, StatusCode};

use super::message::Response;
use super::reply::{reply, text};
use crate::proxy::wire::Head;

/// The same path and query under https at another name.
///
/// 301 for requests that every client repeats as they are, 308 for the others, which would lose their method and
/// body to a 301 (RFC 9110 sections 15.4.2 and 15.4.9).
pub(super) fn to(head: &Head, name: impl std::fmt::Display, port: u16) -> Response {
    let status = match head.method {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::PERMANENT_REDIRECT,
    };
    let path = match head.uri.path_and_query() {
        Some(path) if path.as_str() != "*" => path.as_str(),
        _ => "/",
    };
    let location = match port {
        443 => format!("https://{name}{path}"),
        _ => format!("https://{name}:{port}{path}"),
    };
    // A path that is fit for a request line is fit for a field; should they ever differ, nothing is sent on.
    if location.bytes().any(|b| b.is_ascii_control()) {
        return reply(StatusCode::BAD_REQUEST, "path_invalid");
    }
    let mut response = text(status, "redirect");
    response.fields.add("location", location.as_bytes());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_go_along_and_nothing_but_get_and_head_loses_its_method() {
        for (method, uri, port, status, location) in [
            (Method::GET, "/", 443, 301, "https://a.example/"),
            (Method::HEAD, "/x%2Fy?z=1&u=http://b/", 443, 301, "https://a.example/x%2Fy?z=1&u=http://b/"),
            (Method::POST, "/x", 8443, 308, "https://a.example:8443/x"),
            (Method::GET, "http://b.example/x?y", 443, 301, "https://a.example/x?y"),
            (Method::GET, "http://b.example", 443, 301, "https://a.example/"),
            (Method::OPTIONS, "*", 443, 308, "https://a.example/"),
            (Method::GET, "//b.example/..", 443, 301, "https://a.example//b.example/.."),
        ] {
            let head = Head { method, ..Head::get(uri, &[]) };
            let response = to(&head, "a.example", port);
            assert_eq!(response.status.as_u16(), status, "{uri}");
            let last = response.fields.iter().last().expect("a field");
            assert_eq!((last.name, last.value), (&b"location"[..], location.as_bytes()), "{uri}");
        }
    }
}
