use super::*;

/// Decodes input that arrives in pieces of `size` bytes: body, trailers, and what is left.
fn decode(input: &[u8], size: usize) -> Result<(Vec<u8>, Option<HeaderMap>, usize), ChunkError> {
    let mut decoder = Decoder::of_request();
    let mut body = Vec::new();
    let mut seen = 0;
    for piece in input.chunks(size) {
        let mut piece = Bytes::copy_from_slice(piece);
        seen += piece.len();
        loop {
            match decoder.step(&mut piece)? {
                Step::More => break,
                Step::Data(data) => body.extend_from_slice(&data),
                Step::End(trailers) => return Ok((body, trailers, input.len() - seen + piece.len())),
            }
        }
    }
    Err(ChunkError("cut off"))
}

#[test]
fn a_body_is_the_same_however_it_arrives() {
    let input = b"5\r\nhello\r\n7;x=\"y\"\r\n, world\r\n0A\t ;x\r\n0123456789\r\n0\r\nx-sum: 1\r\nContent-Length: 3\r\n\r\nHTTP";
    for size in 1..=input.len() {
        let (body, trailers, left) = decode(input, size).expect("a chunked body");
        assert_eq!(body, b"hello, world0123456789", "pieces of {size}");
        let trailers = trailers.expect("trailers");
        assert_eq!(trailers["x-sum"], "1");
        assert_eq!(trailers.len(), 1, "fields that frame a message may not trail it");
        assert_eq!(left, 4, "what follows is left alone");
    }
    let (body, trailers, _) = decode(b"0\r\n\r\n", 1).expect("an empty body");
    assert!(body.is_empty() && trailers.is_none());
}

#[test]
fn what_another_parser_might_read_differently_is_refused() {
    let long = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(MAX_EXTENSIONS + 1));
    let trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(MAX_TRAILERS / 6 + 1));
    let fields = format!("0\r\n{}\r\n", "a: b\r\n".repeat(MAX_TRAILER_FIELDS + 1));
    for broken in [
        "\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-1\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5 x\r\nhello\r\n0\r\n\r\n",
        "5\r\rhello\r\n0\r\n\r\n",
        "5;\nhello\r\n0\r\n\r\n",
        "5;x\0\r\nhello\r\n0\r\n\r\n",
        "5 ;x\n\r\nhello\r\n0\r\n\r\n",
        "5;x\ry\r\nhello\r\n0\r\n\r\n",
        "10000000000000000\r\nhello\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "0\r\nno field\r\n\r\n",
        "0\r\na: b\n\r\n",
        "0\r\n a: b\r\n\r\n",
        "0\r\na : b\r\n\r\n",
        "5\r\nhel",
        &long,
        &trailers,
        &fields,
    ] {
        assert!(decode(broken.as_bytes(), 3).is_err(), "{broken:?}");
        assert!(decode(broken.as_bytes(), broken.len()).is_err(), "{broken:?}");
    }
}

#[test]
fn an_upstream_may_pad_a_size() {
    let mut decoder = Decoder::of_response();
    let mut input = Bytes::from_static(b"2 \t\r\nab\r\n0 \r\n\r\n");
    assert_eq!(decoder.step(&mut input), Ok(Step::Data(Bytes::from_static(b"ab"))));
    assert_eq!(decoder.step(&mut input), Ok(Step::End(None)));
}

#[test]
fn extensions_may_not_outweigh_the_body() {
    let signed = format!("400;chunk-signature={}\r\n{}\r\n", "f".repeat(64), "x".repeat(1024)).repeat(1000);
    assert_eq!(decode(format!("{signed}0\r\n\r\n").as_bytes(), 777).expect("a body").0.len(), 1024 * 1000);
    let idle = format!("1;{}\r\nx\r\n", "e".repeat(64)).repeat(100);
    assert!(decode(format!("{idle}0\r\n\r\n").as_bytes(), 777).is_err());
}

#[test]
fn what_a_proxy_says_cannot_be_said_in_trailers() {
    for name in ["x-forwarded-for", "x_forwarded_for", "X-Real-IP", "forwarded", "host", "content_length"] {
        let input = format!("0\r\n{name}: 1\r\nx_sum: 2\r\n\r\n");
        let trailers = decode(input.as_bytes(), input.len()).expect("a body").1.expect("trailers");
        assert_eq!(trailers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x_sum"], "{name}");
    }
}

proptest::proptest! {
    /// Whatever comes is understood in one way only, however it was cut on its way.
    #[test]
    fn pieces_do_not_matter(
        input in "([0-9a-f]{1,3}(;[ -~]{0,5})?\\PC{0,2}\r\n[ -~]{0,20}\r\n){0,4}(0\r\n(a: b\r\n)?\r\n)?.{0,5}",
        size in 1_usize..30,
    ) {
        let whole = decode(input.as_bytes(), input.len().max(1));
        proptest::prop_assert_eq!(decode(input.as_bytes(), size), whole);
    }

    /// What we would write ourselves is read back as it was.
    #[test]
    fn what_is_chunked_is_unchunked(chunks in proptest::collection::vec("[ -~]{1,40}", 0..6), size in 1_usize..50) {
        let mut input = String::new();
        for chunk in &chunks {
            input += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
        }
        input += "0\r\n\r\nrest";
        let (body, trailers, left) = decode(input.as_bytes(), size).expect("a chunked body");
        proptest::prop_assert_eq!(body, chunks.concat().into_bytes());
        proptest::prop_assert_eq!((trailers, left), (None, 4));
    }
}
