//! A storage as it is after very many certificates were issued.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sidegate::clock::Clock;
use sidegate::ident::{ItemId, Lineage, Provider};
use sidegate::pki::{Bundle, Chain, KeyType, Roots};
use sidegate::store::fs::FsEngine;
use sidegate::store::{Family, Issuance, Store, layout};
use tokio::runtime::Builder;

use crate::house;

/// Who issued them. Nobody answers there.
pub(crate) const CA: &str = "https://127.0.0.1:1/directory";

/// So many links to one file are made; a filesystem has a limit.
const LINKS: usize = 30_000;

/// The files of an item that are its own; the others are the same in all of them.
const OWN: [&str; 4] = ["domain.list", "crt.pem", "crt+chain.pem", "crt+chain+key.pem"];

pub(crate) struct Storage {
    root: PathBuf,
    names: usize,
}

/// The name with this number.
pub(crate) fn name(number: usize) -> String {
    format!("site{number}.example.com")
}

impl Storage {
    /// Fills a storage with so many names, unless it is there.
    pub(crate) fn make(root: &Path, names: usize) -> Self {
        let storage = Self { root: root.to_owned(), names };
        // Written last.
        if !storage.ca().exists() {
            storage.fill();
        }
        storage
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn names(&self) -> usize {
        self.names
    }

    pub(crate) fn root_certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.ca()).expect("a root")
    }

    fn ca(&self) -> PathBuf {
        self.root.with_extension("ca.pem")
    }

    fn fill(&self) {
        let pair = || KeyPair::generate().expect("a key");
        let root = CertifiedIssuer::self_signed(authority("the root"), pair()).expect("a root");
        let middle = CertifiedIssuer::signed_by(authority("the intermediate"), pair(), &root)
            .expect("an intermediate");
        let (template, key) = self.template(&root, &middle);
        let (key_pair, chain) = (KeyPair::from_pem(&key).expect("a key"), middle.pem());
        let mut shared = template.clone();
        let mut id = ItemId::next(SystemTime::now(), None);
        for number in 0..self.names {
            let name = name(number);
            let item = self.root.join(layout::item(&id).as_str());
            fs::create_dir(&item).expect("made");
            if number % LINKS == 0 {
                copy(&template, &item);
                shared.clone_from(&item);
            } else {
                for file in names_in(&shared).into_iter().filter(|file| !OWN.contains(&file.as_str())) {
                    fs::hard_link(shared.join(&file), item.join(&file)).expect("linked");
                }
            }
            let params = CertificateParams::new([name.clone()]).expect("names");
            let crt = params.signed_by(&key_pair, &middle).expect("a leaf").pem();
            let both = format!("{crt}{chain}");
            for (file, text) in OWN.iter().zip([&format!("{name}\n"), &crt, &both, &format!("{both}{key}")]) {
                fs::write(item.join(file), text).expect("written");
            }
            for family in Family::of(Provider::Letsencrypt) {
                let pointer = layout::pointer(family, &house::name(&name));
                symlink(format!("../items/{id}"), self.root.join(pointer.as_str())).expect("a link");
            }
            id = ItemId::next(SystemTime::now(), Some(&id));
        }
        fs::remove_dir_all(&template).expect("removed");
        fs::write(self.ca(), root.pem()).expect("written");
    }

    /// An item that the store has made, taken out of it, and its key.
    fn template(
        &self,
        root: &CertifiedIssuer<'static, KeyPair>,
        middle: &CertifiedIssuer<'static, KeyPair>,
    ) -> (PathBuf, String) {
        let engine = FsEngine::open(&self.root).expect("a storage");
        let store = Store::new(Arc::new(engine), Clock::system());
        let names = sidegate::ident::Names::one(house::name("template.example.com"));
        let lineage = Lineage::new(names, Provider::Letsencrypt);
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (id, key) = runtime.block_on(async {
            let mut draft = store.spool().open(&lineage).await.expect("a draft");
            let (key, _) = draft.request_or_generate(KeyType::P256).await.expect("a request");
            let params = CertificateParams::new(["template.example.com".to_owned()]).expect("names");
            let own = KeyPair::from_pem(&key.to_pem()).expect("the key");
            let leaf = params.signed_by(&own, middle).expect("a leaf");
            let roots = Roots::with_pem(root.pem().as_bytes()).expect("a root");
            let chain = Chain::from_pem((leaf.pem() + &middle.pem()).as_bytes(), &roots).expect("a chain");
            draft.note_issuance(&issuance()).await.expect("noted");
            let pem = key.to_pem().to_string();
            let bundle = Bundle::join(key, chain, lineage.names()).expect("they fit");
            (draft.commit(&bundle).await.expect("committed"), pem)
        });
        let template = self.root.with_extension("template");
        fs::rename(self.root.join(layout::item(&id).as_str()), &template).expect("moved");
        for family in Family::of(Provider::Letsencrypt) {
            let pointer = layout::pointer(family, lineage.names().primary());
            fs::remove_file(self.root.join(pointer.as_str())).expect("removed");
        }
        (template, key)
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries.map(|entry| entry.file_name().into_string().expect("text")).collect()
}

fn copy(from: &Path, to: &Path) {
    for file in names_in(from) {
        fs::copy(from.join(&file), to.join(&file)).expect("copied");
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn issuance() -> Issuance {
    let a_minute_ago = SystemTime::now() - Duration::from_secs(60);
    let noted = Issuance::new(KeyType::P256.as_str(), "there was none", a_minute_ago);
    Issuance { directory: Some(CA.to_owned()), ..noted }
}
