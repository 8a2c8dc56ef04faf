//! What to do when Stytch refuses our configuration: for the log, for `guestlist status`, for
//! whoever is on call.

use guestlist_domain::HealthIssue;

/// What is wrong, and how it is mended. Both are parts of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// e.g. `Stytch refused the secret`.
    pub problem: String,
    /// e.g. `set STYTCH_SECRET`.
    pub fix: String,
}

/// What to do about a trouble that is of our own making; `authenticate_url` is where links lead.
pub fn advice(trouble: &HealthIssue, authenticate_url: &str) -> Advice {
    let code = trouble.code.as_str();
    let (problem, fix) = match code {
        "unauthorized_credentials" | "invalid_secret_authentication" => {
            ("Stytch refused the secret", "set STYTCH_SECRET")
        }
        "invalid_project_id_authentication" | "invalid_project_id" | "project_not_found" => {
            ("Stytch does not know the project", "set STYTCH_PROJECT_ID")
        }
        "wrong_stack_test"
        | "wrong_stack_live"
        | "unauthorized_project_id_test"
        | "unauthorized_project_id_live"
        | "live_id_used_in_test_environment"
        | "test_id_used_in_live_environment" => (
            "the project and the address of Stytch are of different environments",
            "set STYTCH_PROJECT_ID, or leave STYTCH_BASE_URL out",
        ),
        "organization_suspended" => ("Stytch suspended the account", "talk to Stytch"),
        "use_https" | "route_not_found" | "not_configured" => {
            ("what answers is not Stytch's API", "set STYTCH_BASE_URL, or leave it out")
        }
        "captcha_required" => {
            ("Stytch wants a CAPTCHA", "turn CAPTCHA off for this project in Stytch's dashboard")
        }
        "email_template_not_found" => {
            ("Stytch lacks the mail's template", "see Email templates in Stytch's dashboard")
        }
        "invalid_session_duration" | "invalid_session_duration_minutes" => {
            ("Stytch allows no session that long", "lower SESSION_DURATION_MINUTES")
        }
        _ if code.contains("redirect_url") || code.ends_with("magic_link_url") => {
            return Advice {
                problem: "Stytch does not accept the address that links lead to".to_owned(),
                fix: format!(
                    "register {authenticate_url} in Stytch's dashboard, or set PUBLIC_URL"
                ),
            };
        }
        _ if code.starts_with("http_3") => {
            ("what answers is not Stytch's API", "set STYTCH_BASE_URL, or leave it out")
        }
        _ => {
            return Advice {
                problem: format!("Stytch refuses our settings ({code}: {})", trouble.message),
                fix: "see Stytch's dashboard".to_owned(),
            };
        }
    };
    Advice { problem: problem.to_owned(), fix: fix.to_owned() }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn advised(code: &str) -> Advice {
        let (since, message) = (Timestamp::UNIX_EPOCH, "why".to_owned());
        let trouble = HealthIssue { since, code: code.to_owned(), message };
        advice(&trouble, "https://guests.example.com/authenticate")
    }

    #[test]
    fn what_stytch_refuses_names_its_setting() {
        for (code, word) in [
            ("unauthorized_credentials", "STYTCH_SECRET"),
            ("project_not_found", "STYTCH_PROJECT_ID"),
            ("route_not_found", "STYTCH_BASE_URL"),
            ("http_301", "STYTCH_BASE_URL"),
            ("invalid_invite_magic_link_url", "https://guests.example.com/authenticate"),
            ("no_match_for_provided_magic_link_url", "register"),
            ("no_invite_redirect_urls_set", "register"),
            ("something_new", "dashboard"),
        ] {
            assert!(advised(code).fix.contains(word), "{code}: {:?}", advised(code));
        }
        assert!(advised("something_new").problem.contains("something_new: why"));
    }
}
