//! An item: a committed certificate with everything that belongs to it, read-only.

use std::fmt::Display;

use bytes::Bytes;
use tracing::warn;

use super::engine::{Engine, EngineError};
use super::issuance::Issuance;
use super::layout::{self, File};
use super::{Prefix, StoreError};
use crate::ident::{ItemId, Lineage, LineageId, Names, Provider};
use crate::pki::{Bundle, Chain, PkiError, PrivateKey, request_spki};

/// A committed certificate. That its files are whole and fit each other was proved when it was read.
#[derive(Debug, Clone)]
pub struct Item {
    id: ItemId,
    lineage: Lineage,
    bundle: Bundle,
    issuance: Option<Issuance>,
}

impl Item {
    /// Reads an item and proves it: all files there, key and chain fit, the certificate carries every name of
    /// `domain.list`, and the joined files are what they are joined from.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] names the file that is not right. Another error means that the engine could not
    /// read, and says nothing about the item.
    pub(super) async fn load(engine: &dyn Engine, id: &ItemId) -> Result<Self, StoreError> {
        Self::of(id, &Files::of_item(engine, id).await?)
    }

    /// What is wrong with an item that is whole: files beside the certificate that cannot be read.
    pub(super) async fn blemishes(engine: &dyn Engine, id: &ItemId) -> Result<Vec<StoreError>, StoreError> {
        let files = Files::of_item(engine, id).await?;
        Ok(files.blemishes(Self::of(id, &files)?.bundle.key()))
    }

    /// The item that these files make, proved as [`load`](Self::load) does.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] names the file that is not right.
    pub(super) fn prove(id: &ItemId, files: Vec<(Box<str>, Bytes)>) -> Result<Self, StoreError> {
        Self::of(id, &Files { place: layout::item(id), files })
    }

    fn of(id: &ItemId, files: &Files) -> Result<Self, StoreError> {
        let lineage = files.lineage()?;
        let bundle = files.bundle(lineage.names())?;
        let issuance = files.issuance();
        Ok(Self { id: id.clone(), lineage, bundle, issuance })
    }

    /// The item's id.
    #[must_use]
    pub fn id(&self) -> &ItemId {
        &self.id
    }

    /// Its lineage.
    #[must_use]
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// The names of `domain.list`.
    #[must_use]
    pub fn names(&self) -> &Names {
        self.lineage.names()
    }

    /// Who issued it.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.lineage.provider()
    }

    /// Key and chain.
    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Where it comes from, if that is known.
    #[must_use]
    pub fn issuance(&self) -> Option<&Issuance> {
        self.issuance.as_ref()
    }
}

/// The files of a draft or an item as they were found.
pub(super) struct Files {
    pub(super) place: Prefix,
    pub(super) files: Vec<(Box<str>, Bytes)>,
}

impl Files {
    async fn of_item(engine: &dyn Engine, id: &ItemId) -> Result<Self, StoreError> {
        let place = layout::item(id);
        match engine.read_all(&place).await {
            Err(EngineError::Foreign { what, place }) => {
                Err(StoreError::Damaged { place, why: format!("it {what}") })
            }
            Err(error) => Err(error.into()),
            Ok(files) => {
                let files = files.into_iter().map(|(key, value)| (key.name().into(), value)).collect();
                Ok(Self { place, files })
            }
        }
    }

    pub(super) fn find(&self, file: File) -> Option<&Bytes> {
        self.files.iter().find(|(name, _)| **name == *file.as_str()).map(|(_, value)| value)
    }

    pub(super) fn get(&self, file: File) -> Result<&Bytes, StoreError> {
        self.find(file).ok_or_else(|| self.damaged(file, &"it is missing"))
    }

    pub(super) fn damaged(&self, file: File, why: &dyn Display) -> StoreError {
        let place = self.place.child(file.as_str()).map_or_else(|| self.place.clone(), |key| key.as_prefix());
        StoreError::Damaged { place, why: why.to_string() }
    }

    /// Names and provider.
    pub(super) fn lineage(&self) -> Result<Lineage, StoreError> {
        let file = File::DomainList;
        let line = std::str::from_utf8(self.get(file)?).map_err(|e| self.damaged(file, &e))?;
        let names = Names::parse_domain_list(line).map_err(|e| self.damaged(file, &e))?;
        let provider = match (self.flag(File::IsLetsencrypt)?, self.flag(File::IsSelfsign)?) {
            (true, false) => Provider::Letsencrypt,
            (false, true) => Provider::Selfsigned,
            _ => {
                let why = "exactly one of isletsencrypt.bool and isselfsign.bool must be true";
                return Err(self.damaged(File::IsLetsencrypt, &why));
            }
        };
        Ok(Lineage::new(names, provider))
    }

    fn flag(&self, file: File) -> Result<bool, StoreError> {
        match self.get(file)?.trim_ascii() {
            b"true" => Ok(true),
            b"false" => Ok(false),
            _ => Err(self.damaged(file, &"it holds neither true nor false")),
        }
    }

    /// Key and chain, proved to fit.
    fn bundle(&self, names: &Names) -> Result<Bundle, StoreError> {
        let blame = |file: File| move |e: PkiError| self.damaged(file, &e);
        let (crt, chain) = (self.get(File::Crt)?, self.get(File::Chain)?);
        let key_pem = self.get(File::Key)?;
        // Others serve these files as they are, so they must say the same.
        if **self.get(File::CrtChain)? != [&crt[..], chain].concat() {
            return Err(self.damaged(File::CrtChain, &"it is not crt.pem and chain.pem"));
        }
        let joined = self.get(File::CrtChainKey)?;
        if joined.strip_prefix(&self.get(File::CrtChain)?[..]) != Some(key_pem) {
            return Err(self.damaged(File::CrtChainKey, &"it is not crt.pem, chain.pem and key.pem"));
        }
        self.get(File::Csr)?;
        if self.flag(File::IsFailed)? {
            return Err(self.damaged(File::IsFailed, &"a committed item has not failed"));
        }
        let key = PrivateKey::from_pem(key_pem).map_err(blame(File::Key))?;
        let chain = Chain::from_parts(crt, chain, self.get(File::Ca)?).map_err(blame(File::Crt))?;
        Bundle::join(key, chain, names).map_err(blame(File::Crt))
    }

    /// The record, if there is one that can be read: a certificate is no worse without it.
    pub(super) fn issuance(&self) -> Option<Issuance> {
        self.record().unwrap_or_else(|error| {
            warn!(%error, "not readable");
            None
        })
    }

    fn record(&self) -> Result<Option<Issuance>, StoreError> {
        let parse = |text: &Bytes| serde_json::from_slice(text).map_err(|e| self.damaged(File::Issuance, &e));
        self.find(File::Issuance).map(parse).transpose()
    }

    /// What is wrong with the files that nobody who serves the certificate needs.
    fn blemishes(&self, key: &PrivateKey) -> Vec<StoreError> {
        let csr = self.get(File::Csr).and_then(|pem| {
            let asked = request_spki(pem).map_err(|e| self.damaged(File::Csr, &e))?;
            if asked == key.spki() { Ok(()) } else { Err(self.damaged(File::Csr, &"it is for another key")) }
        });
        csr.err().into_iter().chain(self.record().err()).collect()
    }

    /// Whether an attempt can go on from these files, which are those of this lineage's draft.
    pub(super) fn check_draft(&self, id: &LineageId) -> Result<(), StoreError> {
        // All files but these are written anew before anybody reads them.
        if let Some(line) = self.find(File::DomainList) {
            let text = std::str::from_utf8(line).map_err(|e| self.damaged(File::DomainList, &e))?;
            let names = Names::parse_domain_list(text).map_err(|e| self.damaged(File::DomainList, &e))?;
            let mut provider = [Provider::Letsencrypt, Provider::Selfsigned].into_iter();
            if !provider.any(|provider| Lineage::new(names.clone(), provider).id() == id) {
                return Err(self.damaged(File::DomainList, &"these names belong to another draft"));
            }
        }
        if let Some(pem) = self.find(File::Key) {
            PrivateKey::from_pem(pem).map_err(|e| self.damaged(File::Key, &e))?;
        }
        self.record().map(|_| ())
    }
}
