//! The two tables: who may name whom, and where a foreign crate may stand.
//!
//! These tables are the documentation as well as the law. A type in a row is a permission for that type
//! alone; the types it hands out stand beside it.

/// A room and what it may name of the others.
pub(super) struct Room {
    pub(super) name: &'static str,
    /// `room`, `room::Type` or `*::Type` (that type of any room).
    pub(super) may_name: &'static [&'static str],
    /// Said when the rule is broken: what to do instead.
    pub(super) cure: &'static str,
}

const fn room(name: &'static str, may_name: &'static [&'static str], cure: &'static str) -> Room {
    Room { name, may_name, cure }
}

/// Who may name whom. A longer name (`store/fs`) adds to the row of its room.
pub(super) const ROOMS: &[Room] = &[
    room("ident", &[], "Names and ids lie under everything and know nothing above them."),
    room("clock", &[], "Time lies under everything and knows nothing above it."),
    room("host", &[], "The machine is described in its own words; `app` translates."),
    room("meter", &[], "Counters lie under everything; whoever counts names them, not the reverse."),
    room("pki", &["ident"], "Keys and chains are pure computation over names: hand in times and bytes."),
    room(
        "dns",
        &["ident", "clock"],
        "The DNS is asked and changed here; what a record is good for its users know.",
    ),
    room("story", &["ident", "clock"], "A story holds names and moments; whoever tells it names `story`."),
    room(
        "store",
        &["ident", "pki", "clock", "story"],
        "The store keeps what it is handed; it does not know who issues, decides or serves.",
    ),
    room("store/fs", &["host"], "Only the filesystem engine touches the machine."),
    room(
        "catalog",
        &["ident", "pki", "meter"],
        "The door knows neither side: it is handed certificates and it hands them out.",
    ),
    room(
        "foreign",
        &["ident", "pki", "clock", "host::Folders", "host::Of", "host::Heard"],
        "Certificates somebody else keeps are read and checked here; whoever serves them asks for them.",
    ),
    room(
        "ask",
        &["ident", "pki"],
        "A question goes to the operator's program and an answer comes back; what hangs on it `manager` knows.",
    ),
    room(
        "issuer",
        &[
            "ident",
            "pki",
            "clock",
            "dns",
            "story",
            "store::Accounts",
            "store::Account",
            "store::Ledger",
            "store::Issued",
            "store::OpenOrder",
            "store::Opened",
            "store::Span",
            "store::Page",
            "store::StoreError",
            "catalog::Challenges",
            "catalog::Posted",
            "host::Program",
            "host::Call",
        ],
        "An issuer sees a request, its accounts and `catalog::Challenges`; what must last it tells `Progress`.",
    ),
    room(
        "hooks",
        &["ident", "clock", "story", "store", "host::Program", "host::Call"],
        "A hook is called for what the journal holds; nobody waits for it, and it can change nothing here.",
    ),
    room(
        "proxy",
        &[
            "ident",
            "pki",
            "clock",
            "meter",
            "catalog::Resolver",
            "catalog::Lookup",
            "catalog::Waiting",
            "catalog::Certificate",
        ],
        "The data plane sees certificates through `catalog::Resolver` only.",
    ),
    room(
        "manager",
        &[
            "ident",
            "pki",
            "clock",
            "story",
            "meter",
            "store",
            "foreign",
            "ask",
            "issuer",
            "catalog::Publisher",
            "catalog::Misses",
            "catalog::Missed",
            "catalog::Stranger",
            "catalog::Strangers",
            "catalog::Entry",
            "catalog::Certificate",
        ],
        "The control plane reaches the data plane through `catalog::Publisher` only.",
    ),
    room(
        "doctor",
        &[
            "ident",
            "pki",
            "clock",
            "dns",
            "catalog::Resolver",
            "issuer::Needed",
            "issuer::Shown",
            "issuer::Held",
        ],
        "An examination looks from outside, as a client would; a standing record it judges as the solver does.",
    ),
    room(
        "ops",
        &["ident", "pki", "clock", "story", "store", "manager::Status", "manager::Commands"],
        "An operator's work on a store goes through the store's handles and `manager::Commands`.",
    ),
    room(
        "admin",
        &[
            "ident",
            "clock",
            "meter",
            "story",
            "ops",
            "manager::Status",
            "manager::Row",
            "manager::Left",
            "manager::Commands",
            "manager::AtRest",
            "manager::Rollover",
            "manager::NotRolledOver",
            "manager::Asking",
            "manager::Renewed",
            "manager::NotOurs",
            "manager::NotRenewed",
            "manager::Revoking",
            "manager::RevocationReason",
            "manager::NotRevoked",
            "manager::Trial",
            "manager::AskedToPrune",
            "manager::NotPruned",
            "manager::Pruned",
            "manager::Needless",
            "manager::Past",
            "manager::PastError",
            "manager::History",
            "manager::Told",
            "proxy::Status",
            // How its calls go is told with the certificates.
            "hooks::Calls",
        ],
        "The operator's window looks at the `Status` of the other rooms.",
    ),
    room(
        "config",
        &[
            "ident",
            "*::Options",
            "proxy::Target",
            "foreign::Source",
            "foreign::List",
            "foreign::LineFault",
            "issuer::ChallengeKind",
            "issuer::Binding",
            "issuer::Profile",
            "pki::KeyType",
            "store::Rule",
            "store::Demanded",
            "issuer::Way",
            "issuer::Sight",
            "hooks::Occasion",
            "host::Program",
            "dns::Server",
            "dns::Key",
            "dns::KeyError",
            "dns::Algorithm",
            "dns::CloudAccount",
            "dns::CloudError",
        ],
        "Settings are each room's `Options`, and the values those are made of; nothing is run here.",
    ),
    room(
        "app",
        &[
            "ident", "clock", "host", "meter", "dns", "pki", "story", "store", "catalog", "foreign", "ask",
            "issuer", "hooks", "proxy", "manager", "doctor", "ops", "admin", "config",
        ],
        "`app` wires the rooms and does not know who called it.",
    ),
    room("cli", &["config", "app", "host", "ops", "doctor"], "Parsing and printing; `app` does the work."),
    room(
        "main",
        &["cli", "config", "app", "host", "ops", "doctor"],
        "Main is a paragraph; wiring is in `app`.",
    ),
    room("lib", &[], "The map of the house names its rooms with `pub mod` and nothing else."),
];

/// Something foreign and the files that may name it.
pub(super) struct Foreign {
    /// Paths; a path stands for everything below it.
    pub(super) paths: &'static [&'static str],
    /// Files or folders under `src`, without `.rs`. `x/mod` is that one file.
    pub(super) may_stand_in: &'static [&'static str],
    pub(super) cure: &'static str,
}

/// Where a foreign crate or module may appear.
pub(super) const FOREIGN: &[Foreign] = &[
    Foreign {
        paths: &["rustls"],
        may_stand_in: &[
            "pki/crypto",
            "pki/bundle",
            "catalog",
            "proxy/tls",
            "proxy/upstream/connect",
            "doctor",
        ],
        cure: "Which TLS library we use is known to as few files as can be; elsewhere pass DER bytes or a `Bundle`.",
    },
    Foreign {
        paths: &["tokio_rustls"],
        may_stand_in: &["proxy/upstream/connect", "doctor"],
        cure: "Towards clients TLS is spoken by the stream in `proxy/tls`, which holds no buffers while it waits.",
    },
    Foreign {
        paths: &["hyper", "hyper_util", "hyper_rustls", "http_body_util", "h2"],
        may_stand_in: &[
            "proxy/http",
            "proxy/upstream",
            "admin/server",
            "admin/client",
            "ask",
            "issuer/acme/http",
        ],
        cure: "HTTP is spoken at the edges; elsewhere use the types of `http` and `bytes`.",
    },
    Foreign {
        paths: &["httparse"],
        may_stand_in: &["proxy/wire"],
        cure: "HTTP/1.1 is read by one parser with one strictness, in `proxy/wire`.",
    },
    Foreign {
        paths: &["http", "bytes"],
        may_stand_in: &[
            "store", "catalog", "foreign", "ask", "issuer", "proxy", "manager", "doctor", "ops", "admin",
            "config", "app", "cli", "main",
        ],
        cure: "The lowest rooms know no HTTP and no shared buffers; use `Vec<u8>` and `&[u8]`.",
    },
    Foreign {
        paths: &["dns_update"],
        may_stand_in: &["dns/cloud"],
        cure: "What providers want to be asked is known in `dns/cloud` only; elsewhere use `Cloud`.",
    },
    Foreign {
        paths: &["instant_acme"],
        may_stand_in: &["issuer/acme"],
        cure: "ACME is spoken in `issuer/acme` only; elsewhere use `Issuer`.",
    },
    Foreign {
        paths: &["psl"],
        may_stand_in: &["issuer/acme/budget"],
        cure: "What counts as one registered domain is known to whoever keeps a CA's limits; ask `issuer::registered_domain`.",
    },
    Foreign {
        paths: &["tar"],
        may_stand_in: &["ops/archive"],
        cure: "Archives are written and read in `ops/archive`.",
    },
    Foreign {
        paths: &["rcgen"],
        may_stand_in: &["pki", "issuer/solver/tls_alpn01"],
        cure: "Certificates are made in `pki`; ask `SigningRequest`.",
    },
    Foreign {
        paths: &["x509_parser"],
        may_stand_in: &["pki"],
        cure: "Certificates are read in `pki`; ask `Leaf` or `Chain`.",
    },
    Foreign {
        paths: &["arc_swap"],
        may_stand_in: &["catalog", "proxy/route", "meter"],
        cure: "What changes under readers lives in the catalog or the route table.",
    },
    Foreign {
        paths: &["std::fs", "tokio::fs", "std::os::unix"],
        may_stand_in: &["store/fs", "foreign", "config/mod", "host", "ops"],
        cure: "Files are touched by the storage engine and by the rooms that read what others keep.",
    },
    Foreign {
        paths: &["socket2"],
        // A connection that is dialled asks its own machine whether the other one is still there.
        may_stand_in: &["host", "store/fs", "proxy/upstream/connect"],
        cure: "The machine is reached through `host`.",
    },
    Foreign {
        paths: &["listenfd", "rustix", "landlock"],
        may_stand_in: &["host", "store/fs"],
        cure: "The machine is reached through `host`.",
    },
    Foreign {
        paths: &["std::env"],
        may_stand_in: &["config/env", "host", "main"],
        cure: "The environment is read once, in `config/env`, and travels as a value.",
    },
    Foreign {
        paths: &["std::time::SystemTime::now"],
        may_stand_in: &["clock"],
        cure: "Take a `Clock`, or the time as an argument, so that a test can choose it.",
    },
    Foreign {
        paths: &[
            "tokio::spawn",
            "tokio::task::spawn",
            "tokio::task::spawn_local",
            "std::thread::spawn",
            "std::thread::Builder",
        ],
        may_stand_in: &["app", "host", "proxy/listener", "proxy/upstream", "manager/run", "admin/server"],
        cure: "Tasks and threads start in few places, so that a stop can wait for all of them; await here instead.",
    },
];
