//! Why something about people was refused: a closed set, so that a page can say it in its language.

use super::password::{MAX_BYTES, MIN_CHARACTERS};
use super::tokens::{MAX_DAYS, MOST_TOKENS};
use super::users::MAX_NAME;
use axum::http::StatusCode;
use std::fmt;

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The password is too short.
    PasswordShort,
    /// The password is too long.
    PasswordLong,
    /// The password is made of too few different letters and digits.
    PasswordPlain,
    /// The password holds the user's name.
    PasswordHoldsName,
    /// The password is one that everybody tries first.
    PasswordCommon,
    /// The password that is in force is another.
    PasswordOther,
    /// The name cannot be signed in by.
    Name,
    /// The name is one that the program signs with.
    NameReserved,
    /// The set-up code is wrong or used up.
    Code,
    /// The set-up code cannot be written.
    CodeFile(String),
    /// It is the last admin.
    LastAdmin,
    /// The token's name is empty or too long.
    TokenName,
    /// The token would live for no time, or too long.
    TokenDays,
    /// The token would do nothing, or more than its owner.
    TokenScopes,
    /// The user has too many tokens.
    TokenMany,
    /// The user signs in by the provider and has no password.
    OutsidePassword,
    /// There is no provider to sign in by.
    OidcOff,
    /// The provider does not answer, or not as one does.
    OidcSilent,
    /// The provider let nobody in.
    OidcDenied,
    /// The round to the provider has ended already, took too long, or was another browser's.
    OidcStale,
    /// What the provider says is not believed; the log says why.
    OidcDoubted,
    /// Nothing the provider says gives a role here.
    OidcRole,
    /// The name the provider gives cannot be used.
    OidcName,
    /// The name the provider gives is another user's.
    OidcNameTaken,
    /// Whoever comes by the provider was shut out here.
    OidcShutOut,
}

impl Why {
    /// Its code, for words in other languages.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PasswordShort => "password_short",
            Self::PasswordLong => "password_long",
            Self::PasswordPlain => "password_plain",
            Self::PasswordHoldsName => "password_holds_name",
            Self::PasswordCommon => "password_common",
            Self::PasswordOther => "password_other",
            Self::Name => "name",
            Self::NameReserved => "name_reserved",
            Self::Code => "code",
            Self::CodeFile(_) => "code_file",
            Self::LastAdmin => "last_admin",
            Self::TokenName => "token_name",
            Self::TokenDays => "token_days",
            Self::TokenScopes => "token_scopes",
            Self::TokenMany => "token_many",
            Self::OutsidePassword => "outside_password",
            Self::OidcOff => "oidc_off",
            Self::OidcSilent => "oidc_silent",
            Self::OidcDenied => "oidc_denied",
            Self::OidcStale => "oidc_stale",
            Self::OidcDoubted => "oidc_doubted",
            Self::OidcRole => "oidc_role",
            Self::OidcName => "oidc_name",
            Self::OidcNameTaken => "oidc_name_taken",
            Self::OidcShutOut => "oidc_shut_out",
        }
    }

    /// The status that says so.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::OidcOff => StatusCode::NOT_FOUND,
            Self::OidcSilent => StatusCode::SERVICE_UNAVAILABLE,
            Self::OidcStale => StatusCode::BAD_REQUEST,
            Self::OidcNameTaken => StatusCode::CONFLICT,
            Self::OidcDenied | Self::OidcDoubted | Self::OidcRole | Self::OidcName | Self::OidcShutOut => {
                StatusCode::FORBIDDEN
            }
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PasswordShort => write!(f, "the password is shorter than {MIN_CHARACTERS} characters"),
            Self::PasswordLong => write!(f, "the password is longer than {MAX_BYTES} bytes"),
            Self::PasswordPlain => {
                f.write_str("the password is made of too few different letters and digits")
            }
            Self::PasswordHoldsName => f.write_str("the password holds the name"),
            Self::PasswordCommon => f.write_str("the password is one that everybody tries first"),
            Self::PasswordOther => f.write_str("the password in force is another"),
            Self::Name => write!(f, "a name is 1 to {MAX_NAME} letters, digits, '.', '_' and '-'"),
            Self::NameReserved => f.write_str("the name is one that the program itself signs with"),
            Self::Code => f.write_str("the code is wrong or used up"),
            Self::CodeFile(what) => write!(f, "the set-up code cannot be written to {what}"),
            Self::LastAdmin => f.write_str("this is the last admin: make another one first"),
            Self::TokenName => write!(f, "a token's name is 1 to {MAX_NAME} characters in one line"),
            Self::TokenDays => write!(f, "a token is good for 1 to {MAX_DAYS} days"),
            Self::TokenScopes => f.write_str("a token needs a scope, and may do no more than its owner"),
            Self::OutsidePassword => f.write_str("this user signs in by the provider and has no password"),
            Self::OidcOff => f.write_str("there is no provider to sign in by"),
            Self::OidcSilent => {
                f.write_str("the provider for signing in does not answer: try again, or use a password")
            }
            Self::OidcDenied => f.write_str("the provider did not let you in"),
            Self::OidcStale => {
                f.write_str("this sign-in is over, or was begun in another browser: begin anew")
            }
            Self::OidcDoubted => {
                f.write_str("the provider's answer is not believed: the log of the program says why")
            }
            Self::OidcRole => {
                f.write_str("the provider knows you, but nothing it says gives you a role here")
            }
            Self::OidcName => write!(
                f,
                "the provider gives no name of 1 to {MAX_NAME} letters, digits, '.', '_', '-' and '@'"
            ),
            Self::OidcNameTaken => f.write_str("the name that the provider gives is another user's here"),
            Self::OidcShutOut => f.write_str("you were shut out here: ask an admin"),
            Self::TokenMany => write!(f, "you have {MOST_TOKENS} tokens: end one that is not needed first"),
        }
    }
}
