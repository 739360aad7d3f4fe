//! From what was found to what is kept.

use std::time::SystemTime;

use super::{Fate, Found, Import, Line, Member};
use crate::ident::{ItemId, Lineage, Name, Names, Provider};
use crate::ops::OpsError;
use crate::pki::{Bundle, Chain, KeyType, Leaf, PkiError, PrivateKey, Roots};
use crate::store::{Family, Issuance, Store, StoreError};

/// Takes one certificate over.
pub(super) async fn certificate(
    store: &Store,
    found: Found,
    asked: &Import,
    configured: &str,
    now: SystemTime,
) -> Result<Line, OpsError> {
    let Found { from, directory, .. } = &found;
    let mut line = Line {
        from: from.clone(),
        names: None,
        expires: None,
        directory: directory.clone(),
        fate: Fate::Good,
    };
    let (lineage, bundle) = match proved(&found) {
        Ok(proved) => proved,
        Err(error) => {
            line.fate = Fate::Unusable(error.to_string());
            return Ok(line);
        }
    };
    let leaf = bundle.leaf();
    line.names = Some(lineage.names().clone());
    line.expires = Some(leaf.not_after());
    if lineage.provider() == Provider::Letsencrypt {
        line.directory.get_or_insert_with(|| configured.to_owned());
    }
    line.fate = if leaf.not_after() < now && !asked.expired {
        Fate::Expired
    } else if let Some(fate) = present(store, &lineage, &bundle, now).await? {
        fate
    } else if asked.dry_run {
        Fate::Good
    } else {
        commit(store, &lineage, &bundle, &line, now).await?
    };
    Ok(line)
}

fn proved(found: &Found) -> Result<(Lineage, Bundle), PkiError> {
    let chain = Chain::from_pem(&found.chain, &Roots::well_known())?;
    let key = PrivateKey::from_pem(&found.key)?.into_pkcs8()?;
    let provider = if chain.leaf().is_self_issued() { Provider::Selfsigned } else { Provider::Letsencrypt };
    let carried = chain.leaf().names();
    let first = found.primary.as_deref().and_then(|name| Name::parse(name).ok());
    let first = first.filter(|name| carried.contains(name));
    let names = Names::new(first.into_iter().chain(carried.iter().cloned()))
        .map_err(|error| PkiError::Certificate(error.to_string()))?;
    let bundle = Bundle::join(key, chain, &names)?;
    Ok((Lineage::new(names, provider), bundle))
}

/// Why the certificate is not wanted here, if there is a reason.
async fn present(
    store: &Store,
    lineage: &Lineage,
    bundle: &Bundle,
    now: SystemTime,
) -> Result<Option<Fate>, OpsError> {
    let database = store.database();
    let item = async |id: &ItemId| match database.item(id).await {
        Ok(item) => Ok(Some(item)),
        // What is wrong with it is for others to say.
        Err(StoreError::Damaged { .. }) => Ok(None),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    };
    for id in database.items_for(lineage.names().primary()).await? {
        if item(&id).await?.is_some_and(|item| item.bundle().leaf().der() == bundle.leaf().der()) {
            return Ok(Some(Fate::Known(id)));
        }
    }
    let [_, family] = Family::of(lineage.provider());
    for name in lineage.names() {
        let Some(id) = database.pointer(family, name).await? else { continue };
        let later = |leaf: &Leaf| leaf.valid_at(now) && leaf.not_before() > bundle.leaf().not_before();
        if item(&id).await?.is_some_and(|item| later(item.bundle().leaf())) {
            return Ok(Some(Fate::Older(id)));
        }
    }
    Ok(None)
}

async fn commit(
    store: &Store,
    lineage: &Lineage,
    bundle: &Bundle,
    line: &Line,
    now: SystemTime,
) -> Result<Fate, OpsError> {
    let draft = match store.spool().open(lineage).await {
        Err(error @ StoreError::Taken { .. }) => {
            return Ok(Fate::Unusable(format!("one for the same names is being made: {error}")));
        }
        other => other?,
    };
    let key_type = bundle.key().key_type().map_or("", KeyType::as_str);
    let issuance = Issuance { directory: line.directory.clone(), ..Issuance::new(key_type, line.why(), now) };
    draft.note_issuance(&issuance).await?;
    Ok(Fate::Imported(draft.commit(bundle).await?))
}

/// Takes one account over, and says what became of it.
pub(super) async fn account(store: &Store, member: Member, asked: &Import) -> Result<String, OpsError> {
    let Member { from, directory, url, contacts, key } = member;
    let said = |what: &str| format!("account {from}: {what}");
    let Some(directory) = directory else {
        return Ok(said("whose it is is not known; it is left, and a new one will be registered"));
    };
    let key = key.and_then(|pem| PrivateKey::from_pem(&pem).ok()?.into_pkcs8().ok());
    let Some(key) = key.filter(|key| key.key_type() == Some(KeyType::P256)) else {
        let why = "its key is not one on P-256, which is the only kind accounts have here";
        return Ok(said(&format!("{why}; a new one will be registered at {directory}")));
    };
    let accounts = store.accounts();
    if accounts.find(&directory).await?.is_some() {
        return Ok(said(&format!("there is one for {directory} already; it stays")));
    }
    if asked.dry_run {
        return Ok(said(&format!("can be used for {directory}")));
    }
    let mut account = accounts.create(&directory, &key).await?;
    (account.url, account.contacts) = (url, contacts);
    accounts.note(&account).await?;
    Ok(said(&format!("is used for {directory} from now on")))
}
