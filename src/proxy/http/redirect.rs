//! Sending a client on to where it should be.

use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use super::body::Body;
use super::reply::reply;

/// The same path and query under https at another name.
///
/// 301 for requests that every client repeats as they are, 308 for the others, which would lose their method and
/// body to a 301 (RFC 9110 sections 15.4.2 and 15.4.9).
pub(super) fn to<B>(request: &Request<B>, name: impl std::fmt::Display, port: u16) -> Response<Body> {
    let status = match *request.method() {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::PERMANENT_REDIRECT,
    };
    let path = match request.uri().path_and_query() {
        Some(path) if path.as_str() != "*" => path.as_str(),
        _ => "/",
    };
    let location = match port {
        443 => format!("https://{name}{path}"),
        _ => format!("https://{name}:{port}{path}"),
    };
    let mut response = reply(status, "redirect");
    match HeaderValue::try_from(location) {
        Ok(location) => {
            response.headers_mut().insert(LOCATION, location);
            response.headers_mut().remove(CACHE_CONTROL);
            response
        }
        // A path that is fit for a request line is fit for a field; should they ever differ, nothing is sent on.
        Err(_) => reply(StatusCode::BAD_REQUEST, "path_invalid"),
    }
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
            let request = Request::builder().method(method).uri(uri).body(()).expect("a request");
            let response = to(&request, "a.example", port);
            assert_eq!(response.status().as_u16(), status, "{uri}");
            assert_eq!(response.headers()[LOCATION], location, "{uri}");
        }
    }
}
