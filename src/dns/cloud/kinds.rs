//! The providers: what each is called, what it wants to be given, and how its library is opened.

use std::time::Duration;

use dns_update::DnsUpdater;
use dns_update::providers::azuredns::{AzureDnsConfig, AzureEnvironment};
use dns_update::providers::google_cloud_dns::GoogleCloudDnsConfig;
use dns_update::providers::ovh::OvhEndpoint;
use dns_update::providers::route53::Route53Config;

use super::credentials::Credentials;

/// How long one answer may take.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(30));

/// Seconds that a record may be remembered for. Nobody asks for one twice, so the least that all but a few accept.
const TTL: u32 = 120;

/// A provider.
pub(super) struct Kind {
    /// As configurations call it.
    pub(super) name: &'static str,
    /// Credentials without which there is no account.
    pub(super) needs: &'static [&'static str],
    /// Credentials that may be given as well.
    pub(super) may: &'static [&'static str],
    /// What records are given, in seconds.
    pub(super) ttl: u32,
    pub(super) open: fn(&Credentials) -> dns_update::Result<DnsUpdater>,
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kind {}

/// A provider that wants `needs` and no more.
const fn kind(
    name: &'static str,
    needs: &'static [&'static str],
    open: fn(&Credentials) -> dns_update::Result<DnsUpdater>,
) -> Kind {
    Kind { name, needs, may: &[], ttl: TTL, open }
}

/// In order of their names.
pub(super) static KINDS: [Kind; 24] = [
    kind(
        "azure",
        &["client_id", "client_secret", "resource_group", "subscription_id", "tenant_id"],
        |given| {
            DnsUpdater::new_azuredns(AzureDnsConfig {
                tenant_id: given.owned("tenant_id"),
                client_id: given.owned("client_id"),
                client_secret: given.owned("client_secret"),
                subscription_id: given.owned("subscription_id"),
                resource_group: given.owned("resource_group"),
                environment: AzureEnvironment::Public,
                request_timeout: PATIENCE,
            })
        },
    ),
    kind("bunny", &["key"], |given| DnsUpdater::new_bunny(given.the("key"), PATIENCE)),
    kind("cloudflare", &["token"], |given| DnsUpdater::new_cloudflare(given.the("token"), PATIENCE)),
    Kind {
        ttl: 3600,
        ..kind("desec", &["token"], |given| DnsUpdater::new_desec(given.the("token"), PATIENCE))
    },
    kind("digitalocean", &["token"], |given| DnsUpdater::new_digitalocean(given.the("token"), PATIENCE)),
    kind("dnsimple", &["account", "token"], |given| {
        DnsUpdater::new_dnsimple(given.the("token"), given.the("account"), PATIENCE)
    }),
    Kind {
        ttl: 300,
        ..kind("gandi", &["token"], |given| DnsUpdater::new_gandiv5(given.the("token"), PATIENCE))
    },
    kind("gcore", &["token"], |given| DnsUpdater::new_gcore(given.the("token"), PATIENCE)),
    Kind {
        ttl: 600,
        ..kind("godaddy", &["key", "secret"], |given| {
            DnsUpdater::new_godaddy(given.the("key"), given.the("secret"), PATIENCE)
        })
    },
    Kind {
        // What else the key of a service account has in it.
        may: &[
            "auth_provider_x509_cert_url",
            "auth_uri",
            "client_id",
            "client_x509_cert_url",
            "private_key_id",
            "token_uri",
            "type",
            "universe_domain",
        ],
        ..kind("google", &["client_email", "private_key", "project_id"], |given| {
            DnsUpdater::new_google_cloud_dns(GoogleCloudDnsConfig {
                service_account_json: given.json(),
                project_id: given.owned("project_id"),
                managed_zone: None,
                private_zone: false,
                impersonate_service_account: None,
                request_timeout: PATIENCE,
            })
        })
    },
    kind("hetzner", &["token"], |given| DnsUpdater::new_hetzner(given.the("token"), PATIENCE)),
    kind("inwx", &["password", "user"], |given| {
        DnsUpdater::new_inwx(given.the("user"), given.the("password"), false, PATIENCE)
    }),
    kind("ionos", &["key"], |given| DnsUpdater::new_ionos(given.the("key"), PATIENCE)),
    kind("linode", &["token"], |given| DnsUpdater::new_linode(given.the("token"), PATIENCE)),
    kind("namecheap", &["client_ip", "key", "user"], |given| {
        let (user, key) = (given.the("user"), given.the("key"));
        DnsUpdater::new_namecheap(user, key, given.the("client_ip"), None::<&str>, PATIENCE)
    }),
    kind("netcup", &["customer", "key", "password"], |given| {
        let (customer, key) = (given.the("customer"), given.the("key"));
        DnsUpdater::new_netcup(customer, key, given.the("password"), PATIENCE)
    }),
    kind("netlify", &["token"], |given| DnsUpdater::new_netlify(given.the("token"), PATIENCE)),
    Kind {
        may: &["endpoint"],
        ..kind("ovh", &["application_key", "application_secret", "consumer_key"], |given| {
            let endpoint: OvhEndpoint = given.get("endpoint").unwrap_or("ovh-eu").parse()?;
            let (key, secret) = (given.the("application_key"), given.the("application_secret"));
            DnsUpdater::new_ovh(key, secret, given.the("consumer_key"), endpoint, PATIENCE)
        })
    },
    Kind {
        ttl: 600,
        ..kind("porkbun", &["key", "secret"], |given| {
            DnsUpdater::new_porkbun(given.the("key"), given.the("secret"), PATIENCE)
        })
    },
    Kind {
        may: &["server"],
        ..kind("powerdns", &["key", "url"], |given| {
            DnsUpdater::new_pdns(given.the("key"), given.get("url"), given.get("server"), PATIENCE)
        })
    },
    Kind {
        may: &["hosted_zone_id", "region", "session_token"],
        ..kind("route53", &["access_key_id", "secret_access_key"], |given| {
            DnsUpdater::new_route53(Route53Config {
                access_key_id: given.owned("access_key_id"),
                secret_access_key: given.owned("secret_access_key"),
                session_token: given.get("session_token").map(str::to_owned),
                region: given.get("region").map(str::to_owned),
                hosted_zone_id: given.get("hosted_zone_id").map(str::to_owned),
                private_zone_only: None,
                endpoint: None,
            })
        })
    },
    kind("scaleway", &["token"], |given| DnsUpdater::new_scaleway(given.the("token"), PATIENCE)),
    Kind {
        may: &["team"],
        ..kind("vercel", &["token"], |given| {
            DnsUpdater::new_vercel(given.the("token"), given.get("team"), PATIENCE)
        })
    },
    kind("vultr", &["key"], |given| DnsUpdater::new_vultr(given.the("key"), PATIENCE)),
];
