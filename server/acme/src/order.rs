//! The way from an account to a certificate (RFC 8555 §7). It waits for the authority: not for a shard.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, NewAccount, NewOrder,
    Order, OrderStatus,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use trilane_errand::Errands;
use trilane_tls::{CertificateFacts, Connector, ConnectorConfig};

use crate::error::AcmeError;
use crate::http::{Http, next, settle};
use crate::proof::{Proofs, Stage};
use crate::settings::{Challenge, Settings};
use crate::store::Store;

/// How long the authority has to look, and again to sign.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long to wait before it is asked again how far it is: at first, and at most.
const ASKED_AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(8));

/// How often the authority is asked when to renew (RFC 9773 §4.3.2), whatever it says: at most, and at least.
const ASK: (Duration, Duration) = (Duration::from_secs(3600), Duration::from_secs(24 * 3600));

/// The account with the authority: that which is kept, else a new one, which is kept from then on.
pub(crate) fn account(settings: &Settings, store: &Store) -> Result<Account, AcmeError> {
    let wanted = ConnectorConfig { trust: settings.trust.clone(), ..ConnectorConfig::default() };
    let http = Http(Errands::new(Connector::new(&wanted)?));
    let builder = Account::builder_with_http(Box::new(http));
    if let Some(credentials) = store.account()? {
        return settle(builder.from_credentials(credentials));
    }
    let contact: Vec<&str> = settings.contacts.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let key = settings.binding.as_ref().map(|binding| binding.key());
    let (account, credentials) =
        settle(builder.create(&new, settings.directory().to_owned(), key.as_ref()))?;
    store.keep_account(&credentials)?;
    Ok(account)
}

/// A certificate with its key, as one PEM text.
pub(crate) fn order(
    settings: &Settings,
    account: &Account,
    stage: &Stage,
) -> Result<String, AcmeError> {
    let identifiers = settings.identifiers();
    let mut order = settle(account.new_order(&NewOrder::new(&identifiers)))?;
    validate(settings.challenge, &mut order, stage)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(settings.names().to_vec())?;
    params.distinguished_name = DistinguishedName::new();
    settle(order.finalize_csr(params.serialize_request(&key)?.der()))?;
    let chain = until(|| match order.state().status {
        OrderStatus::Valid => settle(order.certificate()),
        _ => settle(order.refresh()).and_then(refused_order).map(|()| None),
    })?;
    Ok(format!("{}\n{}", chain.trim_end(), key.serialize_pem()))
}

/// Lets the authority see that all names are ours.
fn validate(challenge: Challenge, order: &mut Order, stage: &Stage) -> Result<(), AcmeError> {
    let kind = match challenge {
        Challenge::Http01 => ChallengeType::Http01,
        Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
    };
    let mut proofs = Proofs::default();
    let mut all = order.authorizations();
    while let Some(mut one) = next(all.next())? {
        // RFC 8555 §7.1.4: what was validated a while ago may still be.
        if one.status != AuthorizationStatus::Pending {
            continue;
        }
        let name = one.identifier().to_string();
        let Some(asked) = one.challenge(kind.clone()) else {
            return Err(AcmeError::NoChallenge(name));
        };
        proofs.add(challenge, &name, &asked.token, &asked.key_authorization())?;
    }
    // All of them are shown before the first is looked at.
    let _shown = proofs.show(stage)?;
    let mut all = order.authorizations();
    while let Some(mut one) = next(all.next())? {
        if one.status == AuthorizationStatus::Pending
            && let Some(mut asked) = one.challenge(kind.clone())
        {
            settle(asked.set_ready())?;
        }
    }
    until(|| {
        let status = settle(order.refresh())?.status;
        match status {
            OrderStatus::Ready | OrderStatus::Valid => return Ok(Some(())),
            OrderStatus::Pending | OrderStatus::Processing => return Ok(None),
            OrderStatus::Invalid => {}
        }
        Err(why(order))
    })
}

/// What the authority says of the names of an order that is invalid (RFC 8555 §7.1.6).
fn why(order: &mut Order) -> AcmeError {
    let mut all = order.authorizations();
    while let Ok(Some(mut one)) = next(all.next()) {
        if let Err(error) = settle(one.refresh()) {
            return error;
        }
        let error = one.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(error) = error {
            return AcmeError::Refused(one.identifier().to_string(), Box::new(error.clone()));
        }
    }
    AcmeError::Unexplained
}

fn refused_order(state: &instant_acme::OrderState) -> Result<(), AcmeError> {
    match (&state.error, state.status) {
        (Some(error), _) => Err(AcmeError::Authority(error.clone().into())),
        (None, OrderStatus::Invalid) => Err(AcmeError::Unexplained),
        _ => Ok(()),
    }
}

/// Asks again and again, for as long as the authority has patience of ours.
fn until<T>(mut look: impl FnMut() -> Result<Option<T>, AcmeError>) -> Result<T, AcmeError> {
    let (end, (mut wait, most)) = (Instant::now() + PATIENCE, ASKED_AGAIN);
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() + wait > end {
            return Err(AcmeError::Late);
        }
        thread::sleep(wait);
        wait = (wait * 2).min(most);
    }
}

/// When the authority wants a certificate to be renewed (RFC 9773 §4), if it says so; and when to ask again. What fails is no news: there
/// is a date without it.
pub(crate) fn suggested(
    settings: &Settings,
    store: &Store,
    facts: &CertificateFacts,
) -> (Option<(SystemTime, SystemTime)>, Duration) {
    let ask = || {
        let id =
            CertificateIdentifier::new(facts.authority_key[..].into(), facts.serial[..].into());
        let account = account(settings, store)?;
        settle(account.renewal_info(&id))
    };
    let kept = store.account().is_ok_and(|account| account.is_some());
    // Who has no account did not order it here.
    if !kept || facts.authority_key.is_empty() {
        return (None, ASK.1);
    }
    match ask() {
        Ok((info, after)) => {
            let window = info.suggested_window;
            (Some((window.start.into(), window.end.into())), after.clamp(ASK.0, ASK.1))
        }
        Err(_) => (None, ASK.1),
    }
}
