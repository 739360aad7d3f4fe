//! Our account at a CA: found again if it can be, registered if it must be, and never twice.

use std::sync::Arc;

use instant_acme::{Account as Session, Error, Key};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::sync::{Mutex, RwLock, RwLockReadGuard};
use tracing::{info, warn};

use super::budget::Budget;
use super::failure::{self, kind_of};
use super::http::{Http, Meta};
use super::jws::Signer;
use super::nonce::insist;
use super::{Options, binding};
use crate::clock::Clock;
use crate::issuer::{Binding, IssueError};
use crate::pki::{KeyType, PrivateKey};
use crate::store::{Account, Accounts};
use crate::story::{Event, Recorder};

/// Keeps one account at one CA, for every order there.
pub(super) struct Membership {
    pub(super) accounts: Accounts,
    pub(super) directory: String,
    contacts: Vec<String>,
    binding: Option<Binding>,
    budget: Arc<Budget>,
    clock: Clock,
    pub(super) recorder: Recorder,
    /// What the store says, so that not every order asks it. Held while the account is looked for, so that two
    /// orders at once do not register two.
    pub(super) kept: Mutex<Option<Kept>>,
    /// Shared by those who use the account, and had alone by whoever gives it another key.
    pub(super) users: RwLock<()>,
}

/// The account as it was found.
pub(super) struct Kept {
    account: Account,
    /// Whether there is no other key by which the CA may know it soon.
    settled: bool,
}

impl Membership {
    pub(super) fn new(accounts: Accounts, options: &Options, budget: Arc<Budget>, clock: Clock) -> Self {
        let contacts = options.email.iter().map(|email| format!("mailto:{email}")).collect();
        let (directory, binding) = (options.directory.clone(), options.binding.clone());
        let recorder = options.recorder.clone();
        let (kept, users) = Default::default();
        Self { accounts, directory, contacts, binding, budget, clock, recorder, kept, users }
    }

    /// As long as this is held the account keeps its key.
    pub(super) async fn in_use(&self) -> RwLockReadGuard<'_, ()> {
        self.users.read().await
    }

    /// Opens the account, without a request if its URL is known. Else the CA is asked whose the key is; if it says
    /// nobody's, the key is registered.
    ///
    /// The key is on disk before the CA hears of it. A crash, or an answer that got lost, at any point in between
    /// leads to the same account again.
    pub(super) async fn open(&self, http: &Http) -> Result<Session, IssueError> {
        Ok(self.session(http, false).await?.0)
    }

    /// As [`open`](Self::open), when the CA has said that it does not know the account: the URL is not believed.
    pub(super) async fn reopen(&self, http: &Http) -> Result<Session, IssueError> {
        Ok(self.session(http, true).await?.0)
    }

    /// What requests of our own are signed with, and the URL of the account that they come from.
    ///
    /// # Errors
    ///
    /// [`IssueError::Account`] if there is no account yet: none is registered for this.
    pub(super) async fn signer(&self, http: &Http) -> Result<(Signer, String), IssueError> {
        if self.accounts.find(&self.directory).await.map_err(unusable)?.is_none() {
            return Err(IssueError::Account(format!("there is no account at {}", self.directory).into()));
        }
        let (session, key) = self.session(http, false).await?;
        Ok((Signer::new(&key).map_err(|e| self.explain(e, http))?, session.id().to_owned()))
    }

    /// Makes `current` lead to the account, so that other processes answer its http-01 challenges from now on. That
    /// they cannot be told is no reason not to be validated here.
    pub(super) async fn choose(&self) {
        if let Some(Kept { account, .. }) = &*self.kept.lock().await
            && let Err(error) = self.accounts.choose(&account.id).await
        {
            warn!(account = %account.id, %error, "other processes are not told whose challenges these are");
        }
    }

    async fn session(&self, http: &Http, doubt_url: bool) -> Result<(Session, PrivateKey), IssueError> {
        let meta = insist!(http, http.directory()).map_err(|e| self.explain(e, http))?.meta;
        let mut kept = self.kept.lock().await;
        let (mut account, settled) = match kept.take() {
            Some(Kept { account, settled: true }) => (account, true),
            _ => self.settle(self.kept_or_new().await?, http).await?,
        };
        let known = account.url.clone().filter(|_| !doubt_url);
        let session = match known {
            Some(url) => {
                let key = pkcs8(&account.key)?;
                let opened = Session::builder_with_http(Box::new(http.clone()));
                opened
                    .from_parts(url, key, self.directory.clone())
                    .await
                    .map_err(|e| self.explain(e, http))?
            }
            None => {
                let session = self.by_key(&account, &meta, http).await?;
                if account.url.as_deref() != Some(session.id()) {
                    account.url = Some(session.id().to_owned());
                    // A new account has no contacts yet, whatever the one before had.
                    account.contacts.clear();
                    self.note(&account).await?;
                }
                session
            }
        };
        self.tell_contacts(&session, &mut account, http).await?;
        let key = account.key.clone();
        *kept = Some(Kept { account, settled });
        Ok((session, key))
    }

    async fn kept_or_new(&self) -> Result<Account, IssueError> {
        if let Some(account) = self.accounts.find(&self.directory).await.map_err(unusable)? {
            return Ok(account);
        }
        let key = PrivateKey::generate(KeyType::P256);
        self.accounts.create(&self.directory, &key).await.map_err(unusable)
    }

    /// The account of this key: the CA's, or a new one.
    async fn by_key(&self, account: &Account, meta: &Meta, http: &Http) -> Result<Session, IssueError> {
        let directory = &self.directory;
        let builder = || Session::builder_with_http(Box::new(http.clone()));
        let key = || key_pair(&account.key);
        match insist!(http, builder().from_key(key()?, directory.clone())) {
            Ok((session, _)) => {
                let (ca, account) = (directory.as_str().into(), session.id().into());
                self.recorder.tell([], Event::AccountFound { ca, account });
                return Ok(session);
            }
            Err(Error::Api(problem)) if kind_of(&problem) == "accountDoesNotExist" => {}
            // Some CAs want to hear of the agreement before they look for the account; registering finds it as well.
            Err(Error::Api(problem))
                if self.binding.is_some() && kind_of(&problem) == "externalAccountRequired" => {}
            Err(e) => return Err(self.explain(e, http)),
        }
        self.budget.account().await?;
        let terms = meta.terms_of_service.as_deref().unwrap_or("none named");
        let bound = self.binding.as_ref().map(|binding| &binding.kid);
        info!(
            directory,
            terms, bound, "registers an account, and with it agrees to the CA's terms of service"
        );
        let session = match &self.binding {
            None => {
                let registered = insist!(http, builder().create_from_key(key()?, directory.clone()));
                registered.map_err(|e| self.explain(e, http))?.0
            }
            Some(binding) => {
                let url = binding::register(http, &account.key, binding).await;
                let (url, key) = (url.map_err(|e| self.explain(e, http))?, pkcs8(&account.key)?);
                let opened = builder().from_parts(url, key, directory.clone()).await;
                opened.map_err(|e| self.explain(e, http))?
            }
        };
        let (ca, account) = (directory.as_str().into(), session.id().into());
        self.recorder.tell([], Event::AccountRegistered { ca, account, terms: terms.into() });
        Ok(session)
    }

    /// Tells the CA where it may write to, if that has changed. A CA that refuses the address is no reason to be
    /// without a certificate.
    async fn tell_contacts(
        &self,
        session: &Session,
        account: &mut Account,
        http: &Http,
    ) -> Result<(), IssueError> {
        if account.contacts == self.contacts {
            return Ok(());
        }
        let contacts: Vec<&str> = self.contacts.iter().map(String::as_str).collect();
        match insist!(http, session.update_contacts(&contacts)) {
            Ok(()) => {
                account.contacts.clone_from(&self.contacts);
                self.note(account).await
            }
            Err(error) => {
                let error = self.explain(error, http);
                if failure::is_unknown_account(&error) {
                    return Err(error);
                }
                warn!(directory = self.directory, contacts = ?self.contacts, %error, "the CA did not take the contact address");
                Ok(())
            }
        }
    }

    async fn note(&self, account: &Account) -> Result<(), IssueError> {
        self.accounts.note(account).await.map_err(unusable)
    }

    pub(super) fn explain(&self, error: Error, http: &Http) -> IssueError {
        failure::explain(error, &self.directory, http, self.clock.now())
    }
}

pub(super) fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> IssueError {
    IssueError::Account(Box::new(error))
}

fn pkcs8(key: &PrivateKey) -> Result<PrivatePkcs8KeyDer<'static>, IssueError> {
    match key.der() {
        PrivateKeyDer::Pkcs8(key) => Ok(key),
        _ => Err(IssueError::Account("account_key.pem has to be PKCS#8 (BEGIN PRIVATE KEY)".into())),
    }
}

fn key_pair(key: &PrivateKey) -> Result<(Key, PrivateKeyDer<'static>), IssueError> {
    let der = pkcs8(key)?;
    let key = Key::from_pkcs8_der(der.clone_key());
    let key =
        key.map_err(|_| IssueError::Account("account_key.pem has to be an ECDSA key on P-256".into()))?;
    Ok((key, der.into()))
}
