//! What is remembered of the provider, and what it is asked.

use super::claims::say_enough;
use super::http::{self, Unanswered, ask};
use super::round::{COOKIE_SECS, Derived, Round};
use crate::people::{PeopleError, Why};
use chrono::{DateTime, Utc};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::Oidc;
use citybrain_types::Timestamp;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse,
    CoreTokenType,
};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthType, AuthenticationFlow, AuthorizationCode,
    ClaimsVerificationError, Client, ClientId, ClientSecret, CsrfToken, DiscoveryError,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdToken, IdTokenClaims,
    IdTokenFields, IdTokenVerifier, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, StandardErrorResponse, StandardTokenResponse,
    TokenResponse, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::sync::Mutex;
use url::Url;

/// What a provider says of itself is read again after this long.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// A provider that was silent is not asked again for this long; nor are its keys read anew more often than this.
const PAUSE: Duration = Duration::from_secs(10);
/// So far a provider's clock may be off.
const SKEW: Duration = Duration::from_secs(60);
/// Signatures that are believed: those that nobody but the provider can make.
const SIGNATURES: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Claims that the standard does not name.
#[derive(Debug, Serialize, Deserialize)]
struct Others {
    #[serde(flatten)]
    all: Map<String, Value>,
}

impl AdditionalClaims for Others {}

type Claims = IdTokenClaims<Others, CoreGenderClaim>;
type Token = IdToken<Others, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type Fields = IdTokenFields<
    Others,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Tokens = StandardTokenResponse<Fields, CoreTokenType>;
type Spoken = Client<
    Others,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What the provider says of somebody, checked.
#[derive(Debug)]
pub(super) struct Told {
    /// What it calls him, for ever.
    pub(super) subject: String,
    /// Everything it says of him.
    pub(super) claims: Map<String, Value>,
}

/// The provider, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Provider {
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    issuer: String,
    at: Timestamp,
    /// `None`: it was silent.
    metadata: Option<CoreProviderMetadata>,
}

/// A provider that can be spoken to.
pub(super) struct Ready {
    client: Spoken,
    http: reqwest::Client,
}

fn refused<T>(why: Why) -> Result<T, PeopleError> {
    Err(PeopleError::Refused(why))
}

/// Why there is no description of the provider, without anything it has said.
fn fault(error: &DiscoveryError<Unanswered>) -> String {
    match error {
        DiscoveryError::Request(error) => error.to_string(),
        DiscoveryError::Response(status, ..) if !status.is_success() => format!("it answers {status}"),
        DiscoveryError::Response(..) => "it does not answer in JSON".to_owned(),
        DiscoveryError::Parse(error) => {
            format!("its description lacks something, or is none: {}", error.path())
        }
        DiscoveryError::Validation(_) => {
            "it calls itself otherwise than 'issuer' in [people.oidc]".to_owned()
        }
        _ => "its address cannot be used".to_owned(),
    }
}

async fn discover(oidc: &Oidc, http: &reqwest::Client) -> Result<CoreProviderMetadata, String> {
    let issuer = IssuerUrl::new(oidc.issuer.clone()).map_err(|_| "its address cannot be used".to_owned())?;
    let http = http.clone();
    let ask = move |request| ask(http.clone(), request);
    let metadata = CoreProviderMetadata::discover_async(issuer, &ask).await.map_err(|e| fault(&e))?;
    let way = metadata.authorization_endpoint().url().as_str().parse();
    if !way.is_ok_and(|way| http::is_private(&way)) {
        return Err(Unanswered::Insecure.to_string());
    }
    if metadata.token_endpoint().is_none() {
        return Err("it has no token endpoint".to_owned());
    }
    Ok(metadata)
}

/// Asks the provider for what it says of itself; says what was found.
///
/// # Errors
/// Why it cannot be used.
pub async fn probe(oidc: &Oidc) -> Result<String, String> {
    let http = http::client().map_err(|error| error.to_string())?;
    let metadata = discover(oidc, &http).await?;
    match metadata.jwks().keys().len() {
        0 => Err("it has no keys that could sign".to_owned()),
        keys => Ok(format!("answers, {keys} keys")),
    }
}

impl Provider {
    /// The provider, asked for what it says of itself where that is not known or old.
    pub(super) async fn client(
        &self,
        city: &City,
        oidc: &Oidc,
        now: Timestamp,
    ) -> Result<Ready, PeopleError> {
        self.read(city, oidc, now, FRESH).await
    }

    /// The same, read anew when what is known is older than `age`.
    async fn read(
        &self,
        city: &City,
        oidc: &Oidc,
        now: Timestamp,
        age: Duration,
    ) -> Result<Ready, PeopleError> {
        let Ok(http) = http::client() else { return refused(Why::OidcSilent) };
        let mut known = self.known.lock().await;
        let age = if known.as_ref().is_some_and(|known| known.metadata.is_none()) { PAUSE } else { age };
        let holds =
            known.as_ref().is_some_and(|known| known.issuer == oidc.issuer && now.since(known.at) < age);
        if !holds {
            let metadata = discover(oidc, &http).await;
            let metadata = metadata
                .inspect_err(|fault| {
                    tracing::error!(issuer = oidc.issuer, fault, "the provider for signing in is not usable");
                })
                .ok();
            *known = Some(Known { issuer: oidc.issuer.clone(), at: now, metadata });
        }
        let metadata = known.as_ref().and_then(|known| known.metadata.clone());
        drop(known);
        let Some(metadata) = metadata else { return refused(Why::OidcSilent) };
        Ok(Ready { client: spoken(city, oidc, metadata), http })
    }

    /// Changes a code for what the provider says of whoever signs in.
    pub(super) async fn redeem(
        &self,
        city: &City,
        oidc: &Oidc,
        code: String,
        derived: &Derived,
        round: &Round,
        now: Timestamp,
    ) -> Result<Told, PeopleError> {
        let mut ready = self.client(city, oidc, now).await?;
        let tokens = ready.exchange(code, derived).await?;
        let Some(token) = tokens.id_token() else {
            tracing::warn!("the provider sends no ID token: is 'openid' among what the client may ask for?");
            return refused(Why::OidcDoubted);
        };
        let mut checked = ready.check(token, &tokens, derived, round, now);
        if let Err(ClaimsVerificationError::SignatureVerification(_)) = &checked {
            // It may sign with a new key.
            ready = self.read(city, oidc, now, PAUSE).await?;
            checked = ready.check(token, &tokens, derived, round, now);
        }
        let claims = match checked {
            Ok(claims) => claims,
            Err(error) => {
                let fault = doubt(&error);
                tracing::warn!(fault, "what the provider says of somebody is not believed");
                return refused(Why::OidcDoubted);
            }
        };
        let subject = claims.subject().to_string();
        let mut all = as_map(&claims);
        if !say_enough(oidc, &all) {
            for (name, value) in ready.more(&tokens, claims).await? {
                all.entry(name).or_insert(value);
            }
        }
        Ok(Told { subject, claims: all })
    }
}

fn as_map(claims: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(claims) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Why a token is not believed, in words of ours.
fn doubt(error: &ClaimsVerificationError) -> &'static str {
    match error {
        ClaimsVerificationError::Expired(_) => "it is over, or of another time",
        ClaimsVerificationError::InvalidAudience(_) => "it is for somebody else",
        ClaimsVerificationError::InvalidIssuer(_) => "it is of another provider",
        ClaimsVerificationError::InvalidNonce(_) => "it belongs to another sign-in",
        ClaimsVerificationError::SignatureVerification(_) => "no key of the provider has signed it",
        _ => "it is not what was asked for",
    }
}

fn spoken(city: &City, oidc: &Oidc, metadata: CoreProviderMetadata) -> Spoken {
    // Where a provider takes the secret in the form only, it is sent there; the standard's first choice is the header.
    let methods = metadata.token_endpoint_auth_methods_supported();
    let by_form = methods.is_some_and(|methods| {
        !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
            && methods.contains(&CoreClientAuthMethod::ClientSecretPost)
    });
    let secret = oidc.client_secret.as_ref().map(|secret| ClientSecret::new(secret.0.clone()));
    Client::from_provider_metadata(metadata, ClientId::new(oidc.client_id.clone()), secret)
        .set_redirect_uri(RedirectUrl::from_url(oidc.comes_back_to(&city.site.public_url)))
        .set_auth_type(if by_form { AuthType::RequestBody } else { AuthType::BasicAuth })
}

fn moment(at: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.as_micros()).unwrap_or_default()
}

impl Ready {
    /// Where the browser goes.
    pub(super) fn way(&self, oidc: &Oidc, derived: &Derived) -> Url {
        let verifier = PkceCodeVerifier::new(derived.verifier.clone());
        let Derived { state, nonce, .. } = derived.clone();
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let way = self.client.authorize_url(flow, || CsrfToken::new(state), || Nonce::new(nonce));
        let scopes = oidc.scopes.iter().filter(|scope| *scope != "openid");
        let way = way
            .add_scopes(scopes.map(|scope| Scope::new(scope.clone())))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        way.url().0
    }

    async fn exchange(&self, code: String, derived: &Derived) -> Result<Tokens, PeopleError> {
        let Ok(request) = self.client.exchange_code(AuthorizationCode::new(code)) else {
            return refused(Why::OidcSilent);
        };
        let http = self.http.clone();
        let ask = move |request| ask(http.clone(), request);
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(derived.verifier.clone()));
        match request.request_async(&ask).await {
            Ok(tokens) => Ok(tokens),
            Err(RequestTokenError::Request(fault)) => {
                tracing::error!(%fault, "the provider for signing in does not answer");
                refused(Why::OidcSilent)
            }
            Err(RequestTokenError::ServerResponse(answer)) => {
                // Its code is one of a list, or a word; its text may hold anything.
                let code: String = answer.error().as_ref().chars().take(60).collect();
                tracing::warn!(error = code, "the provider refuses to change a code for a token");
                refused(Why::OidcDoubted)
            }
            Err(_) => {
                tracing::error!("the provider for signing in answers with something that is no token");
                refused(Why::OidcDoubted)
            }
        }
    }

    fn verifier(&self, now: Timestamp, begun: Timestamp) -> IdTokenVerifier<'_, CoreJsonWebKey> {
        let latest = moment(now.plus(SKEW));
        let earliest = moment(begun.minus(SKEW));
        self.client
            .id_token_verifier()
            .set_allowed_algs(SIGNATURES)
            // A clock that is ahead of ours makes it end early.
            .set_time_fn(move || moment(now.minus(SKEW)))
            .set_issue_time_verifier_fn(move |issued| {
                if (earliest..=latest).contains(&issued) { Ok(()) } else { Err("of another time".to_owned()) }
            })
    }

    /// The claims of a token, when everything about it is right.
    fn check<'t>(
        &self,
        token: &'t Token,
        tokens: &Tokens,
        derived: &Derived,
        round: &Round,
        now: Timestamp,
    ) -> Result<&'t Claims, ClaimsVerificationError> {
        let other = |what: &str| ClaimsVerificationError::Other(what.to_owned());
        let verifier = self.verifier(now, round.begun);
        let claims = token.claims(&verifier, &Nonce::new(derived.nonce.clone()))?;
        if claims.authorized_party().is_some_and(|party| party != self.client.client_id()) {
            return Err(ClaimsVerificationError::InvalidAudience(String::new()));
        }
        if let Some(expected) = claims.access_token_hash() {
            let signed = ClaimsVerificationError::SignatureVerification;
            let key = token.signing_key(&verifier).map_err(signed)?;
            let algorithm = token.signing_alg().map_err(signed)?;
            let hash = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
            if hash.ok().as_ref() != Some(expected) {
                return Err(other("the access token is another one"));
            }
        }
        Ok(claims)
    }

    /// What the provider says beside the token, of the same person.
    async fn more(&self, tokens: &Tokens, claims: &Claims) -> Result<Map<String, Value>, PeopleError> {
        let access = tokens.access_token().clone();
        let Ok(request) = self.client.user_info(access, Some(claims.subject().clone())) else {
            return Ok(Map::new());
        };
        let http = self.http.clone();
        let ask = move |request| ask(http.clone(), request);
        let told: Result<UserInfoClaims<Others, CoreGenderClaim>, _> = request.request_async(&ask).await;
        match told {
            Ok(told) => Ok(as_map(&told)),
            Err(_) => {
                tracing::warn!("the provider does not say more of whoever signs in than its token does");
                Ok(Map::new())
            }
        }
    }
}

/// A round lives longer than a clock may be off.
const _: () = assert!(COOKIE_SECS > SKEW.as_secs());
