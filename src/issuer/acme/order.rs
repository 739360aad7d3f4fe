//! One order, from wherever it stands to a certificate (RFC 8555 section 7.4).

use std::time::Duration;

use instant_acme::{Account, Error, Order, OrderStatus};
use tokio::time::Instant;

use super::Timeouts;
use super::account::Membership;
use super::budget::Budget;
use super::failure;
use super::http::{Directory, Http};
use super::nonce::insist;
use super::solvers::Solvers;
use super::turns::Turns;
use crate::clock::Clock;
use crate::ident::{Name, Names};
use crate::issuer::solver::ChallengeKind;
use crate::issuer::{IssueError, IssueJob, Progress};
use crate::pki::{Chain, PkiError, Roots, SigningRequest};
use crate::story::{Event, Recorder, Text};

/// All that dealing with one CA for one certificate takes.
pub(super) struct Desk<'a> {
    pub(super) directory: &'a str,
    pub(super) membership: &'a Membership,
    pub(super) account: Account,
    pub(super) http: Http,
    pub(super) budget: &'a Budget,
    pub(super) solvers: &'a Solvers,
    /// Which kinds of them may be used.
    pub(super) challenges: &'a [ChallengeKind],
    /// Which of them has validated a name the last time.
    pub(super) validated: &'a [(Name, ChallengeKind)],
    pub(super) turns: &'a Turns,
    pub(super) roots: &'a Roots,
    /// The issuer's name at the top of the chain that is wanted, if one is.
    pub(super) preferred_chain: Option<&'a str>,
    pub(super) timeouts: Timeouts,
    pub(super) clock: &'a Clock,
    pub(super) recorder: &'a Recorder,
}

/// Where an order comes from, and so what it means if a name could not be proved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Placed by this attempt: the kind of challenge did not work.
    Placed,
    /// Noted by an earlier attempt: the CA may have looked while nobody was there.
    Noted,
}

/// How an order ended. While it has not ended, coming back to it may help.
pub(super) enum End {
    Issued(Box<Chain>),
    /// It never becomes a certificate we can use.
    Dead(IssueError),
}

impl Desk<'_> {
    /// Goes on with the order that was noted, if there is one that can still lead to a certificate.
    pub(super) async fn resume(
        &self,
        job: IssueJob<'_>,
        progress: &dyn Progress,
    ) -> Result<Option<Chain>, IssueError> {
        let names = job.request.names();
        let Some(mut order) = self.noted_order(names, progress).await? else { return Ok(None) };
        match self.see_through(&mut order, job.request, Origin::Noted, progress).await? {
            End::Issued(chain) => Ok(Some(*chain)),
            // What killed it was most likely our absence, so this is no failure yet.
            End::Dead(error) => {
                let why = format!("it came to nothing: {error}");
                self.leave(names, order.url(), &why);
                Ok(None)
            }
        }
    }

    /// Places an order and takes it to its end.
    pub(super) async fn begin(
        &self,
        job: IssueJob<'_>,
        progress: &dyn Progress,
    ) -> Result<Chain, IssueError> {
        let mut order = self.place(job, progress).await?;
        match self.see_through(&mut order, job.request, Origin::Placed, progress).await? {
            End::Issued(chain) => Ok(*chain),
            End::Dead(error) => Err(error),
        }
    }

    /// The order of an earlier attempt, if it can still lead to a certificate.
    async fn noted_order(&self, names: &Names, progress: &dyn Progress) -> Result<Option<Order>, IssueError> {
        let Some(note) = progress.order() else { return Ok(None) };
        if note.directory != self.directory || note.account != self.account.id() {
            self.leave(names, &note.order, "it belongs to another account");
            return Ok(None);
        }
        match insist!(self.http, self.account.order(note.order.clone())) {
            Ok(mut order) => {
                let status = order.state().status;
                if status == OrderStatus::Invalid {
                    self.settle(&mut order, names).await?;
                    self.leave(names, &note.order, "it is invalid");
                    return Ok(None);
                }
                let status = Text::of(format_args!("{status:?}"));
                self.recorder.tell(names, Event::OrderResumed { order: note.order.into(), status });
                Ok(Some(order))
            }
            Err(error) => match self.explain(error) {
                // Expired, or forgotten: nothing that waiting would bring back.
                IssueError::Refused { detail, .. } => {
                    self.leave(names, &note.order, &format!("it is gone: {detail}"));
                    Ok(None)
                }
                error => Err(error),
            },
        }
    }

    /// Writes down what an order has come to that died while nobody looked, unless that was done before.
    async fn settle(&self, order: &mut Order, names: &Names) -> Result<(), IssueError> {
        if !self.budget.is_open(names).await? {
            return Ok(());
        }
        let failed = self.failed(order, names).await?;
        self.budget.no_certificate(self.account.id(), names, &failed).await
    }

    fn leave(&self, names: &Names, order: &str, why: &str) {
        self.recorder.tell(names, Event::OrderLeft { order: order.into(), why: why.into() });
    }

    /// Takes the order from the state it is in to its end, and writes down what that costs.
    async fn see_through(
        &self,
        order: &mut Order,
        request: &SigningRequest,
        origin: Origin,
        progress: &dyn Progress,
    ) -> Result<End, IssueError> {
        let names = request.names();
        if order.state().status == OrderStatus::Pending {
            let _turn = self.turns.take(names).await;
            if let Some(dead) = self.authorize(order, names, origin, progress).await? {
                return Ok(End::Dead(dead));
            }
        }
        if order.state().status == OrderStatus::Ready {
            self.budget.verified(self.account.id(), names).await?;
            self.finalize(order, request).await?;
        }
        if order.state().status == OrderStatus::Processing {
            self.wait_while(order, OrderStatus::Processing).await?;
        }
        match order.state().status {
            OrderStatus::Valid => self.fetch(order, request).await,
            OrderStatus::Invalid => {
                self.budget.no_certificate(self.account.id(), names, &[]).await?;
                Ok(End::Dead(self.why_invalid(order)))
            }
            status => Err(self.nonsense(format!("the order went back to {status:?}"))),
        }
    }

    async fn finalize(&self, order: &mut Order, request: &SigningRequest) -> Result<(), IssueError> {
        let csr = request.csr_der();
        self.recorder.tell(request.names(), Event::Finalized { order: order.url().into() });
        if let Err(error) = insist!(self.http, order.finalize_csr(csr)) {
            let error = self.explain(error);
            // The request may have arrived although its answer did not, also at an earlier attempt.
            match self.refresh(order).await {
                Ok(OrderStatus::Processing | OrderStatus::Valid | OrderStatus::Invalid) => {}
                _ => return Err(error),
            }
        }
        Ok(())
    }

    /// The certificate of a valid order, if it is the one this request asked for.
    async fn fetch(&self, order: &mut Order, request: &SigningRequest) -> Result<End, IssueError> {
        let pem = insist!(self.http, order.certificate());
        let pem = pem.map_err(|e| self.explain(e))?;
        let alternates = self.http.alternates();
        let pem = pem.ok_or_else(|| self.nonsense("a valid order without a certificate"))?;
        let chain = Chain::from_pem(pem.as_bytes(), self.roots)?;
        let leaf = chain.leaf();
        let other = |what: &str| Ok(End::Dead(PkiError::Mismatch(what.to_owned()).into()));
        // A noted order can be that of a key which was lost since. The CA counts it all the same, and so do we.
        if *leaf.spki() != *request.spki() {
            return other("the certificate is for another key");
        }
        if request.names().iter().any(|name| !leaf.names().contains(name)) {
            return other("the certificate is for other names");
        }
        let received = Event::Received {
            serial: leaf.serial().into(),
            issuer: leaf.issuer().into(),
            not_before: leaf.not_before().into(),
            not_after: leaf.not_after().into(),
        };
        self.recorder.tell(request.names(), received);
        Ok(End::Issued(Box::new(self.choose_chain(chain, &alternates).await)))
    }

    /// Waits until the order is no longer in this state, in the CA's own rhythm if it names one. A look that the
    /// network or the CA spoils is made again, a few times.
    pub(super) async fn wait_while(
        &self,
        order: &mut Order,
        state: OrderStatus,
    ) -> Result<OrderStatus, IssueError> {
        let mut patience = Patience::new(self.timeouts.decision);
        let mut spoilt = 0;
        loop {
            patience.wait(self).await?;
            match self.refresh(order).await {
                Ok(status) if status == state => spoilt = 0,
                Ok(status) => return Ok(status),
                Err(IssueError::Unreachable { until: None, .. }) if spoilt < SPOILT_LOOKS => spoilt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) async fn refresh(&self, order: &mut Order) -> Result<OrderStatus, IssueError> {
        let refreshed = insist!(self.http, async { order.refresh().await.map(|state| state.status) });
        refreshed.map_err(|e| self.explain(e))
    }

    pub(super) fn why_invalid(&self, order: &mut Order) -> IssueError {
        match &order.state().error {
            Some(problem) => failure::of_problem(problem, None, None, self.directory, self.clock.now()),
            None => IssueError::Refused {
                directory: self.directory.to_owned(),
                detail: "the order became invalid, without a reason".to_owned(),
                for_good: false,
            },
        }
    }

    pub(super) fn explain(&self, error: Error) -> IssueError {
        failure::explain(error, self.directory, &self.http, self.clock.now())
    }

    pub(super) fn nonsense(&self, what: impl Into<String>) -> IssueError {
        failure::nonsense(self.directory, what)
    }

    /// What the CA says of itself.
    pub(super) async fn ca_directory(&self) -> Result<Directory, IssueError> {
        insist!(self.http, self.http.directory()).map_err(|e| self.explain(e))
    }
}

/// How long to wait for a decision, and between two looks at it.
pub(super) struct Patience {
    end: Instant,
    step: Duration,
}

/// The first wait: a CA that has decided at once is not kept waiting.
const FIRST_STEP: Duration = Duration::from_millis(100);
const LONGEST_STEP: Duration = Duration::from_secs(5);

/// At most this many looks in a row may fail before the wait is given up.
const SPOILT_LOOKS: u32 = 3;

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self { end: Instant::now() + limit, step: FIRST_STEP }
    }

    /// Sleeps until the next look is due.
    ///
    /// # Errors
    ///
    /// [`IssueError::Unreachable`] with the moment the CA names, if it names one, when that would be too late.
    pub(super) async fn wait(&mut self, desk: &Desk<'_>) -> Result<(), IssueError> {
        let asked = desk.http.retry_after();
        let now = desk.clock.now();
        // Never sooner than we would have looked: «0 seconds» is not an order to hammer.
        let step =
            asked.and_then(|moment| moment.duration_since(now).ok()).unwrap_or_default().max(self.step);
        if Instant::now() + step > self.end {
            return Err(failure::unusable(desk.directory, "the CA has not decided yet", asked));
        }
        tokio::time::sleep(step).await;
        self.step = self.step.mul_f32(1.6).min(LONGEST_STEP);
        Ok(())
    }
}
